"""Configured devices, weights and SoundFonts are used; BERT can be imported beside whatever torchvision there is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emotion import checkpoint, judge, runtime
from emotion.errors import UserError
from emotion.midi import soundfont


def test_bert_can_be_imported_in_a_fresh_process() -> None:
    code = (
        "from emotion.runtime import make_torchvision_importable as mend\n"
        "mend(); mend()\n"
        "from transformers import BertModel\n"
        "print(BertModel.__name__)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert found.stdout == "BertModel\n", found.stderr


def test_another_fault_of_torchvision_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError(f"{name} is out of order")

    monkeypatch.setattr(runtime.importlib, "import_module", broken)
    runtime.make_torchvision_importable.cache_clear()
    with pytest.raises(RuntimeError, match="torchvision is out of order"):
        runtime.make_torchvision_importable()
    runtime.make_torchvision_importable.cache_clear()


def test_where_there_is_no_torchvision_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda name: None)
    declared: list[str] = []
    monkeypatch.setattr(runtime, "_declare", lambda: declared.append("all"))
    runtime.make_torchvision_importable.cache_clear()
    runtime.make_torchvision_importable()
    assert declared == []
    runtime.make_torchvision_importable.cache_clear()


def altered(folder: Path, own: Path) -> str:
    """Copy a folder of weights with its last tensor changed; the sha256 of the copy's weights."""
    tensors = shutil.copytree(folder, own / folder.name) / "model.safetensors"
    data = tensors.read_bytes()
    tensors.write_bytes(data[:-2] + bytes([data[-2] ^ 1, data[-1]]))  # the last bits of a number
    return checkpoint.file_sha256(tensors)


@pytest.mark.parametrize("name", judge.JUDGES)
def test_judges_take_the_configured_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = judge.load(name)
    sha256 = altered(judge.JUDGES[name].weights, tmp_path)
    monkeypatch.setenv("V2M_WEIGHTS", str(tmp_path))
    assert judge.load(name).model.sha256 == sha256 != shipped.model.sha256
    monkeypatch.setenv("V2M_WEIGHTS", str(tmp_path / "nowhere"))
    assert judge.load(name) is shipped


def test_a_model_that_the_folder_lacks_is_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2M_WEIGHTS", str(tmp_path))
    (tmp_path / "adff").mkdir()
    folders = {name: checkpoint.weights_folder(spec.weights) for name, spec in judge.JUDGES.items()}
    assert folders == {**{name: spec.weights for name, spec in judge.JUDGES.items()}, "adff": tmp_path / "adff"}


def test_the_configured_soundfont_is_the_one_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.sf2"
    own.write_bytes(b"RIFF\0\0\0\0sfbk")
    monkeypatch.setenv("V2M_SOUNDFONT", "")
    assert soundfont.find_soundfont() == soundfont.installed()[0]
    runtime.configure(soundfont=own)
    assert soundfont.find_soundfont() == own


def test_devices_that_are_unknown_or_missing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V2M_DEVICE", "cpu")
    assert str(runtime.resolve_device()) == "cpu"
    with pytest.raises(UserError, match="unknown device 'tpu': choose one of auto, cpu"):
        runtime.resolve_device("tpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="has no cuda device"):
        runtime.configure(device="cuda")
