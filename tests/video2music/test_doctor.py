"""The doctor finds what is broken, gives the command that fixes it, and never fails itself."""

import json
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from video2music import doctor
from video2music.cli import app


def named(name):
    (finding,) = [finding for finding in doctor.examine() if finding.name == name]
    return finding


@pytest.fixture
def broken_module(tmp_path, monkeypatch):
    """Put a module in the way whose import raises."""

    def put(name, error):
        (tmp_path / f"{name}.py").write_text(f"raise {error}\n")
        monkeypatch.syspath_prepend(tmp_path)
        for loaded in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
            monkeypatch.delitem(sys.modules, loaded)

    return put


def test_a_whole_installation_lacks_nothing_that_is_required():
    assert [finding for finding in doctor.examine() if finding.required and not finding.ok] == []


def test_every_finding_has_a_detail_and_every_fault_a_fix(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "WEIGHTS", tmp_path)
    monkeypatch.setattr(doctor, "FREE_BYTES", 1e18)
    for finding in doctor.examine():
        assert finding.detail
        assert finding.ok or finding.fix


def test_what_is_found_agrees_with_what_the_packages_say():
    import torch

    assert named("torch").detail.startswith(torch.__version__)
    assert named("python").detail.split()[0] == sys.version.split()[0]


@pytest.mark.parametrize("name", ["torch", "av"])
def test_a_package_that_cannot_be_imported_is_a_required_fault_and_no_traceback(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    finding = named({"av": "codecs"}.get(name, name))
    assert not finding.ok and finding.required
    assert finding.fix


def test_a_check_may_fail_in_an_unforeseen_way(monkeypatch):
    def _quota():
        raise RecursionError("the quota\nis used up")

    monkeypatch.setattr(doctor, "OPTIONAL", (_quota,))
    finding = named("quota")
    assert not finding.ok and not finding.required
    assert finding.detail == "RecursionError: the quota"


def test_opencv_without_libgl_is_reported_with_the_packages_that_bring_it(broken_module):
    broken_module("cv2", "ImportError('libGL.so.1: cannot open shared object file')")
    finding = named("opencv")
    assert not finding.ok and finding.required
    assert "libGL.so.1" in finding.detail and "libgl1" in finding.fix


def test_a_torchvision_for_another_torch_is_explained(broken_module):
    broken_module("torchvision", "RuntimeError('operator torchvision::nms does not exist')")
    finding = named("open_clip")
    assert not finding.ok and not finding.required
    assert "built for another torch" in finding.detail
    assert "torch==" in finding.fix and "torchvision==" in finding.fix


def test_weights_that_are_missing_or_cut_off_are_required_faults(monkeypatch, tmp_path):
    shutil.copytree(doctor.WEIGHTS, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "amt")
    weights = tmp_path / "color" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    monkeypatch.setattr(doctor, "WEIGHTS", tmp_path)
    found = {finding.name: finding for finding in doctor.examine()}
    assert not found["weights amt"].ok and "missing" in found["weights amt"].detail
    assert not found["weights color"].ok and "damaged" in found["weights color"].detail
    assert found["weights regressor"].ok


def test_a_machine_without_fluidsynth_can_go_on(monkeypatch):
    monkeypatch.setattr("emotion.midi.synthesis._fluidsynth", lambda: None)
    finding = named("synthesizer")
    assert not finding.ok and not finding.required
    assert "symusic" in finding.detail


def test_a_codec_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "ENCODERS", ("aac", "no_such_codec"))
    finding = named("codecs")
    assert not finding.ok and "no_such_codec" in finding.detail and "h264" not in finding.detail


def test_encoders_are_found_where_download_puts_them(own_cache):
    from video2music.features.encoders import ENCODERS

    assert not named("encoder clip-small").ok
    path = ENCODERS["clip-small"].remote.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        assert named("encoder clip-small").ok
    finally:
        path.unlink()


def test_a_cache_that_cannot_be_written_is_reported(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("V2M_CACHE", str(tmp_path / "file" / "cache"))
    finding = named("cache")
    assert not finding.ok and not finding.required and "V2M_CACHE" in finding.fix


def test_the_command_prints_every_finding_and_succeeds_when_nothing_required_is_missing(tmp_path):
    report = tmp_path / "doctor.json"
    done = CliRunner().invoke(app, ["doctor", "--json", str(report)])
    findings = json.loads(report.read_text())["findings"]
    assert done.exit_code == 0, done.output
    assert {"torch", "soundfont", "weights amt"} <= {finding["name"] for finding in findings}
    assert all(finding["name"] in done.stdout for finding in findings)


def test_the_command_fails_when_something_required_is_missing(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch today')\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from video2music.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "MISSING  torch: ImportError: no torch today" in done.stdout
    assert "Traceback" not in done.stderr
