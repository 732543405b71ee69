"""The rules of the architecture: which package imports which, what is imported late, what must not be in the tree."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(path for package in ("video2music", "emotion") for path in (ROOT / package).rglob("*.py"))
LIBRARY = [path for path in MODULES if "cli" not in path.parts and path.name != "__main__.py"]
PRODUCT = [*MODULES, ROOT / "app.py"]

# Layers, lowest first: a package imports from its own row and those above it.
LAYERS = (
    ("errors", "values", "chords", "options"),
    ("media", "styles"),
    ("features", "model", "arranging", "mixing"),
    ("composing",),
    ("output", "pipeline"),
    ("batch", "data", "train", "evaluate", "demo", "doctor"),
    ("studio",),
    ("cli", "__main__"),
)
LAYER = {package: layer for layer, packages in enumerate(LAYERS) for package in packages}

HEAVY = ("torch", "torchvision", "cv2", "open_clip", "gradio", "av", "scipy", "transformers", "sklearn", "matplotlib")
LIGHT = ("values", "options", "errors", "chords", "composing.form", "arranging.voicing", "arranging.arrange", "cli")
# Packages that only some places may import: a place is a module or a package with all that is in it.
DOORS = {
    "subprocess": ("emotion.midi.synthesis", "video2music.evaluate"),
    "av": (
        "video2music.media",
        "video2music.features.pixels",  # frames to arrays; opens no file
        "video2music.evaluate",  # measures what came out, by a decoder of its own
        "video2music.doctor",
        "emotion.features.sound",
    ),
    "gradio": ("app", "video2music.studio.page"),
    "pickle": (),
}

# TorchScript archives hold pickles, too. OpenAI published CLIP as nothing else; a file lies where this module reads it
# only after its sha256 was that of features.download.WEIGHTS, which the published address repeats.
TORCHSCRIPT = {"video2music.features.semantic"}
# Calls that would run what a file says, and the argument that stops them.
UNPICKLERS = {"torch.load": ("weights_only", "True"), "np.load": ("allow_pickle", "False")}

OUTSIDE = ("tests", "datasets", "benchmarks", "app")
GENERATED = {"out", "runs", "build", "dist", "__pycache__"}
MACHINE_PATH = re.compile(r"(?<![\w.~$}-])/(?:work|root|home/\w+)/")
VAGUE = re.compile(r"(utils?|helpers?|manager|processor|misc|common)\b")


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module or name a file imports anywhere, as `package.module.name`."""
    found: list[str] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: line {node.lineno} imports relatively"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(found)


@cache
def calls(path: Path) -> tuple[tuple[str, ast.Call], ...]:
    """Every call in a file with the text of what is called."""
    return tuple((ast.unparse(node.func), node) for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))


def texts() -> Iterator[Path]:
    """The files of the tree that people write."""
    for top in sorted(ROOT.iterdir()):
        hidden = top.name.startswith(".") and top.name not in {".ci", ".gitignore"}
        if not hidden and top.name not in GENERATED:  # an environment or a run holds more files than all the rest
            inside = [top, *sorted(top.rglob("*"))] if top.is_dir() else [top]
            yield from (
                each for each in inside if each.is_file() and GENERATED.isdisjoint(each.relative_to(ROOT).parts)
            )


def package_of(module: str) -> str:
    """The part of video2music that a dotted name lies in; `` for the package's own names."""
    return module.split(".")[1] if module.count(".") else ""


def test_there_is_something_to_look_at():
    assert {"video2music.pipeline", "emotion.affect"} <= {dotted(path) for path in MODULES}


def test_emotion_never_imports_video2music():
    for path in (ROOT / "emotion").rglob("*.py"):
        assert not [name for name in imports(path) if name.split(".")[0] == "video2music"], path


def test_the_product_imports_nothing_outside_of_it():
    for path in PRODUCT:
        assert not [name for name in imports(path) if name.split(".")[0] in OUTSIDE], path


def test_every_package_has_its_layer():
    packages = {package_of(dotted(path)) for path in MODULES if path.is_relative_to(ROOT / "video2music")} - {""}
    assert packages <= LAYER.keys()


def test_imports_between_packages_point_one_way():
    for path in MODULES:
        own = LAYER.get(package_of(dotted(path)))
        ours = [name for name in imports(path) if name.startswith("video2music.")]
        assert own is None or [name for name in ours if LAYER.get(package_of(name), 0) > own] == [], path


def test_light_modules_import_nothing_heavy():
    code = "import sys\n" + "".join(f"import video2music.{name}\n" for name in LIGHT)
    code += f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("package", DOORS)
def test_only_the_doors_open_to(package):
    found = {dotted(path) for path in PRODUCT if any(name.split(".")[0] == package for name in imports(path))}
    places = DOORS[package]
    assert [module for module in found if not any(f"{module}.".startswith(f"{place}.") for place in places)] == []


def test_nothing_goes_through_a_shell():
    for path in [*PRODUCT, *(ROOT / "benchmarks").rglob("*.py")]:
        for name, call in calls(path):
            assert name not in {"os.system", "os.popen", "subprocess.getoutput"}, path
            assert not [word for word in call.keywords if word.arg == "shell"], path


def test_weights_are_never_unpickled_at_will():
    for path in PRODUCT:
        for name, call in calls(path):
            if name in UNPICKLERS:
                argument, value = UNPICKLERS[name]
                found = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert found.get(argument) == value, f"{path}: line {call.lineno}: {name} without {argument}={value}"


def test_torchscript_is_read_by_one_module_of_files_with_a_pinned_checksum():
    found = {dotted(path) for path in PRODUCT if any(name.endswith("jit.load") for name, _ in calls(path))}
    assert found == TORCHSCRIPT


def test_what_could_unpickle_is_called_by_its_full_name():
    names = {
        "torch.load",
        "torch.jit.load",
        "torch.jit",
        "torch.package",
        "numpy.load",
        "joblib",
        "dill",
        "cloudpickle",
    }
    for path in PRODUCT:
        assert names.isdisjoint(imports(path)), path


def test_importing_all_modules_reads_none_of_our_files_and_asks_no_network():
    own = [f"{ROOT / part}/" for part in ("video2music", "emotion", "datasets")]
    code = f"""
import sys
def watch(event, arguments):
    name = str(arguments[0]) if event == "open" else ""
    ours = name.startswith(tuple({own!r})) and "__pycache__" not in name and not name.endswith(".py")
    if ours or event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
        print(event, *arguments)
for heavy in ("torch", "cv2", "av", "scenedetect", "transformers", "miditok", "symusic", "pretty_midi"):
    __import__(heavy)
sys.addaudithook(watch)
for module in {sorted(dotted(path) for path in LIBRARY)!r}:
    __import__(module)
"""
    quiet = {name: value for name, value in os.environ.items() if name != "CI"}  # in CI pyfluidsynth says what it found
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=quiet, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_only_a_main_function_prints():
    for path in LIBRARY:
        tree = parsed(path)
        mains = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
        allowed = {id(node) for main in mains for node in ast.walk(main)}
        prints = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"]
        assert [node.lineno for node in prints if id(node) not in allowed] == [], path


def test_datasets_is_no_package():
    assert [path for path in (ROOT / "datasets").rglob("*") if path.suffix in {".py", ".pyi"}] == []


def test_no_module_has_a_vague_name():
    assert [path for path in MODULES if VAGUE.search(path.stem)] == []


def test_no_path_of_one_machine_is_written_down():
    for path in texts():
        data = path.read_bytes()
        if b"\0" not in data:
            assert not MACHINE_PATH.search(data.decode(errors="replace")), path
