"""--device, --weights and --soundfont: which commands have them, and that what is configured is what is used."""

import os
import shutil

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from emotion.checkpoint import file_sha256
from video2music.cli import app
from video2music.features import color, encoders, extract, semantic

RUN_SETTINGS = {"device", "weights", "soundfont"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """What a command configures lasts as long as a test."""
    for name in ("V2M_DEVICE", "V2M_WEIGHTS", "V2M_SOUNDFONT"):
        monkeypatch.setenv(name, "")


def settings_of(command, group=None):
    found = get_command(app)
    command = found.commands[group].commands[command] if group else found.commands[command]
    return {one.name for one in command.params} & RUN_SETTINGS


@pytest.mark.parametrize("command", ["generate", "batch", "demo"])
def test_commands_that_make_music_have_all_settings(command):
    assert settings_of(command) == RUN_SETTINGS


def test_other_commands_have_those_that_apply():
    assert settings_of("features") == {"device", "weights"}
    assert settings_of("alignment", "evaluate") == settings_of("music", "evaluate") == RUN_SETTINGS
    assert settings_of("chords", "evaluate") == {"device", "weights"}
    assert settings_of("amt", "train") == settings_of("regressor", "train") == {"device"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "abacus"), ["unknown device 'abacus'", "cpu"]),
        (("--weights", "nowhere"), ["no folder nowhere"]),
        (("--soundfont", "nowhere.sf2"), ["no file nowhere.sf2"]),
    ],
)
def test_a_setting_that_cannot_be_met_is_refused_in_a_sentence(clip, tmp_path, arguments, words):
    done = CliRunner().invoke(app, ["generate", str(clip), "-o", str(tmp_path / "out"), *arguments])
    sentences = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.exit_code == 1 and len(sentences) == 1 and all(word in sentences[0] for word in words)
    assert not (tmp_path / "out").exists()


def test_a_command_configures_its_process_and_those_it_starts(clip, tmp_path):
    arguments = ["features", str(clip), "--encoder", "color", "--device", "cpu", "--weights", str(tmp_path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert os.environ["V2M_DEVICE"] == "cpu" and os.environ["V2M_WEIGHTS"] == str(tmp_path)


def test_the_color_encoder_takes_the_configured_weights(clip, tmp_path, monkeypatch):
    shipped = extract(clip, encoder="color", cache=tmp_path / "cache")
    own = shutil.copytree(color.WEIGHTS, tmp_path / "own" / "color")
    tensors = own / "model.safetensors"
    data = bytearray(tensors.read_bytes())
    data[-400:] = bytes(400)  # some of the machine's last coefficients
    tensors.write_bytes(data)
    monkeypatch.setenv("V2M_WEIGHTS", str(tmp_path / "own"))
    assert encoders.ENCODERS["color"].weights_sha256() == file_sha256(tensors)
    changed = extract(clip, encoder="color", cache=tmp_path / "cache")
    assert not np.array_equal(changed.affect, shipped.affect)


def test_clip_is_loaded_onto_the_configured_device(tmp_path, monkeypatch):
    devices = []
    (tmp_path / "weights.pt").touch()
    monkeypatch.setattr(semantic, "obtain", lambda spec, progress: tmp_path / "weights.pt")
    monkeypatch.setattr(semantic, "load", lambda path, *, semantic, device: devices.append(device))
    encoders.ENCODERS["clip-small"].load(device="cpu")
    monkeypatch.setattr("emotion.runtime.resolve_device", lambda name=None: name or "configured")
    encoders.ENCODERS["clip-small"].load()
    assert devices == ["cpu", "configured"]
