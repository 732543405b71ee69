"""transformers' BERT must be importable beside whatever torchvision there is."""

import subprocess
import sys

import pytest

from emotion import runtime


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
