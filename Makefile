# What a person does with this tree; `make` alone lists it. Every command sets up what it needs, from nothing:
# a virtual environment in .venv, the packages, and on Debian and Ubuntu the system libraries if it is allowed to.

SHELL = /bin/sh
.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.PHONY: demo test test-random check coverage shape bench evaluate .data-given app docs clean help

VENV = .venv
BIN = $(VENV)/bin
OUT = out
DATA ?=
CLIPS ?=
HUMAN ?=
RUNS ?= runs
SEEDS ?= 1
WORKERS = 2
PACKAGES = -e '.[app,dev]'
PYTHONS = python3.11 python3.12 python3.13 python3
# PyTorch's own index of builds without CUDA, tried on a Linux machine without an NVIDIA card; `TORCH_INDEX=` skips it.
TORCH_INDEX = https://download.pytorch.org/whl/cpu

demo: $(VENV)/.ready  ## score a clip that the program draws itself; the result goes to out/demo
	$(BIN)/video2music demo -o $(OUT)

# The browser's tests share one served page and one composed piece, which as many processes would each make anew.
test: $(VENV)/.ready  ## run the tests, those of the page in Chromium too where it is installed
	status=0; \
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --ignore=tests/browser || status=$$?; \
	$(BIN)/python -m pytest tests/browser || status=$$?; \
	exit $$status

test-random: $(VENV)/.ready  ## the property tests with new random examples, which `make test` never draws
	$(BIN)/python -m pytest -n $(WORKERS) --hypothesis-profile=random --ignore=tests/browser -m "not network and not slow" \
		$$(grep -rl "from hypothesis" tests --include=*.py)

# One test allows its process files of 60 kB, which coverage's own file does not keep to.
coverage: $(VENV)/.ready  ## which lines no test reaches, the tests' own processes counted
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --ignore=tests/browser -m "not network" --cov --cov-report= \
		--deselect tests/video2music/cli/test_generate.py::test_a_full_disk_is_reported_in_a_sentence_and_leaves_nothing
	$(BIN)/python -m coverage report

shape: $(VENV)/.ready  ## how large the tree and its parts are, beside well-kept projects of the field
	$(BIN)/python benchmarks/shape.py

check: $(VENV)/.ready  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.ready  ## measure speed and memory; the tables go to benchmarks/
	$(BIN)/python benchmarks/bench.py

evaluate: .data-given $(VENV)/.ready  ## measure the models on MuVi-Sync in DATA=, others in RUNS=, mean of SEEDS=; the music for CLIPS=
	$(BIN)/video2music evaluate chords $(evaluation) --json benchmarks/chords.json \
		--into docs/results.md --into video2music/weights/amt/README.md
	$(BIN)/video2music evaluate dynamics $(evaluation) --json benchmarks/dynamics.json \
		--into docs/results.md --into video2music/weights/regressor/README.md
	$(if $(CLIPS),$(BIN)/video2music evaluate music --clips "$(CLIPS)" --muvi-sync "$(DATA)" \
		$(if $(HUMAN),--human "$(HUMAN)") --json benchmarks/music.json --into docs/results.md)

evaluation = --data "$(DATA)" --seeds "$(SEEDS)" $(if $(wildcard $(RUNS)),--runs "$(RUNS)")

.data-given:
	@if [ -z "$(DATA)" ]; then \
		echo "name the folder that holds MuVi-Sync, unpacked: make evaluate DATA=../muvi_sync" >&2; \
		exit 1; \
	fi

app: $(VENV)/.ready  ## serve the page on this machine
	$(BIN)/video2music app

docs: $(VENV)/.ready  ## the documentation as a site in build/site
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m mkdocs build --strict

clean:  ## remove the environment and the caches; results stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Shell words that the rules below share. `root` is how to become root without being asked for a password.
may_be_root = { if [ "$$(id -u)" = 0 ]; then root=; else root="sudo -n"; fi; $$root true 2>/dev/null; }
may_install = command -v apt-get >/dev/null && $(may_be_root)
apt_install = env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends
apt_update = apt-get update -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=15

define find_python
found=; \
for python in $(PYTHONS); do \
	if $$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		found=$$python; break; \
	fi; \
done
endef

$(BIN)/python:
	@$(find_python); \
	if [ -z "$$found" ] && $(may_install); then \
		echo "installing python3-venv"; \
		$$root $(apt_install) python3-venv || { $$root $(apt_update) && $$root $(apt_install) python3-venv; } || true; \
		$(find_python); \
	fi; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11 or newer with its venv module is needed, and $$(python3 --version 2>&1) here is not enough:" >&2; \
		echo "run 'sudo apt-get install python3-venv' (where python3 is older: python3.11 python3.11-venv)," >&2; \
		echo "or name another Python, as in 'make demo PYTHONS=/opt/python3.12/bin/python3'." >&2; \
		exit 1; \
	fi; \
	echo "making $(VENV) with $$($$found --version)"; \
	$$found -m venv $(VENV)

# Which of Debian's packages are missing, one a line: asked of the loader, because a library may come from elsewhere.
define missing_packages
import ctypes, pathlib, sys
libraries = {"libfluidsynth.so.3": "libfluidsynth3", "libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}
for library, package in libraries.items() if sys.platform == "linux" else ():
    try:
        ctypes.CDLL(library)
    except OSError:
        print(package)
if sys.platform == "linux" and not list(pathlib.Path("/usr/share").glob("s*/sf2/FluidR3_GM.sf2")):
    print("fluid-soundfont-gm")
endef
export missing_packages

$(VENV)/.system: | $(BIN)/python
	@missing=$$($(BIN)/python -c "$$missing_packages" | tr '\n' ' '); \
	if [ -n "$$missing" ] && $(may_install); then \
		echo "installing $$missing"; \
		$$root $(apt_install) $$missing || { $$root $(apt_update) && $$root $(apt_install) $$missing; } || true; \
		missing=$$($(BIN)/python -c "$$missing_packages" | tr '\n' ' '); \
	fi; \
	if [ -n "$$missing" ]; then \
		echo "going on without the system packages" $$missing; \
		echo "  libfluidsynth3: symusic's plainer synthesizer plays; fluid-soundfont-gm: a smaller SoundFont plays;"; \
		echo "  libgl1, libglib2.0-0: OpenCV cannot start. To have them: sudo apt-get install" $$missing; \
	fi
	@touch $@

# Python compiles what it imports by itself, so that pip need not compile all of every package beforehand.
$(VENV)/.ready: pyproject.toml constraints.txt | $(VENV)/.system
	@index=; \
	if [ -n "$(TORCH_INDEX)" ] && [ "$$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null && \
		timeout 8 $(BIN)/python -c "import urllib.request as u; u.urlopen('$(TORCH_INDEX)/torch/', timeout=5)" 2>/dev/null; \
	then \
		index="--extra-index-url $(TORCH_INDEX)"; \
	fi; \
	echo "installing the packages into $(VENV), which takes some minutes the first time"; \
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile $$index -c constraints.txt $(PACKAGES)
	@$(BIN)/python -c "import cv2" || { echo "OpenCV lacks a library: sudo apt-get install libgl1 libglib2.0-0" >&2; exit 1; }
	@touch $@
