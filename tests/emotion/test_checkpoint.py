import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pytest

from emotion import checkpoint
from emotion.errors import CheckpointError


@pytest.fixture
def folder(tmp_path):
    tensors = {"weight": np.arange(6, dtype=np.float16).reshape(2, 3), "count": np.array([3])}
    checkpoint.save(tmp_path, kind="toy", config={"model": {"width": 3}}, tensors=tensors)
    return tmp_path


def test_what_was_saved_comes_back_widened(folder):
    found = checkpoint.load(folder, kind="toy")
    assert found.config["model"] == {"width": 3}
    assert found.tensors["weight"].dtype == np.float32
    np.testing.assert_array_equal(found.tensors["weight"], [[0, 1, 2], [3, 4, 5]])
    assert found.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_weights_of_another_kind_or_version_are_refused(folder):
    with pytest.raises(CheckpointError, match="holds toy version 1"):
        checkpoint.load(folder, kind="amt")
    with pytest.raises(CheckpointError, match="version 2 is needed"):
        checkpoint.load(folder, kind="toy", version=2)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_and_damaged_files_are_named(folder, name):
    (folder / name).write_bytes(b"{nonsense")
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(folder, kind="toy")
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        checkpoint.load(folder, kind="toy")


def test_dimensions_of_another_model_are_refused(folder):
    found = checkpoint.load(folder, kind="toy")
    for model in ({"width": 3, "colour": 2}, {}):
        other = replace(found, config={**found.config, "model": model})
        with pytest.raises(CheckpointError, match="of another model"):
            checkpoint.dimensions(other, Size)
    with pytest.raises(CheckpointError, match="of another model"):
        checkpoint.dimensions(replace(found, config={}), Size)
    assert checkpoint.dimensions(replace(found, config={"model": {"width": 3}}), Size) == Size(3)


@dataclass(frozen=True)
class Size:
    width: int
