"""What commands do not import: a help is there at once, and the main job pays for nothing that it does not use."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOT_FOR_HELP = {
    "av", "cv2", "gradio", "matplotlib", "miditok", "numpy", "open_clip", "scipy", "sklearn", "torch", "transformers",
}  # fmt: skip
# The judge that reports has its mel filters from transformers; the one that selects among candidates needs MidiTok.
NOT_FOR_GENERATE = {"gradio", "matplotlib", "miditok", "open_clip", "sklearn"}


def imported(packages, *arguments):
    """Which of these packages a process has imported after a command that succeeded."""
    code = f"""
import sys
from video2music.cli import app
try:
    app({list(map(str, arguments))!r})
except SystemExit as end:
    assert not end.code, end.code
print("imported:", *sorted({packages!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("evaluate", "--help")])
def test_a_help_imports_nothing_heavy(arguments):
    assert imported(NOT_FOR_HELP, *arguments) == []


@pytest.mark.parametrize("command", ["generate", "batch", "features"])
def test_a_help_with_options_imports_no_more_than_their_names_need(command):
    assert imported(NOT_FOR_HELP - {"numpy"}, command, "--help") == []


def test_composing_for_a_clip_imports_nothing_that_it_does_not_use(clip, tmp_path):
    options = ("--encoder", "color", "--candidates", "1")
    assert imported(NOT_FOR_GENERATE, "generate", clip, "-o", tmp_path / "out", *options) == []
