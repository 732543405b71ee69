"""MERT's front end, on a tiny random model of the same classes that is saved and loaded as the real one is."""

import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.errors import CheckpointError
from emotion.features import mert
from emotion.runtime import make_torchvision_importable
from tests.emotion.waves import sine

make_torchvision_importable()
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor  # noqa: E402, only after the line above

RATE = 24_000
TINY = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
        "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}  # fmt: skip
# What MERT's config.json says beyond HuBERT's, as published.
PUBLISHED = {
    "model_type": "mert_model",
    "architectures": ["MERTModel"],
    "auto_map": {"AutoConfig": "configuration_MERT.MERTConfig", "AutoModel": "modeling_MERT.MERTModel"},
    "feature_extractor_cqt": False,
    "feature_extractor_cqt_bins": 84,
    "deepnorm": False,
    "attention_relax": -1.0,
    "sample_rate": RATE,
}


def saved(folder, *, pickled: bool = False, **changes):
    """A tiny HuBERT as MERT's repository holds it: another config, and code that must not be run."""
    torch.manual_seed(0)
    model = HubertModel(HubertConfig(**TINY))
    folder.mkdir(exist_ok=True)
    model.save_pretrained(folder)
    if pickled:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    config = json.loads((folder / "config.json").read_text()) | PUBLISHED | changes
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("configuration_MERT.py", "modeling_MERT.py"):
        (folder / name).write_text("raise SystemExit('code of the repository was run')")
    return model.eval()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mert") / "tiny"
    return saved(folder), folder


def direct(model, samples: np.ndarray, layer: int) -> np.ndarray:
    """The layer's rows of samples by transformers alone, with its own preparation of the sound."""
    prepare = Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=True)
    values = prepare(samples, sampling_rate=RATE, return_tensors="pt").input_values
    with torch.no_grad():
        return model(values, output_hidden_states=True).hidden_states[layer][0].numpy()


def noise(seconds: float) -> np.ndarray:
    samples = np.random.default_rng(2).normal(0, 0.1, round(seconds * RATE))
    return (samples + sine(seconds, RATE, 300)[: len(samples)]).astype(np.float32)


@pytest.mark.parametrize("layer", [0, 2, 3])
@pytest.mark.parametrize("pickled", [False, True])
def test_rows_are_those_of_the_saved_model(tmp_path, layer, pickled):
    model = saved(tmp_path / "tiny", pickled=pickled)
    samples = noise(3)
    found = mert.load(tmp_path / "tiny", layer=layer).rows([samples])
    assert found.shape == (225, 24) and found.dtype == np.float32
    np.testing.assert_allclose(found, direct(model, np.pad(samples, (0, 80)), layer), atol=2e-4)


def test_weights_under_the_old_names_are_taken(tiny, tmp_path):
    """The published file is of 2023, when PyTorch named the halves of a normed weight otherwise."""
    model = saved(tmp_path / "old", pickled=True)
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    state = {}
    for name, tensor in model.state_dict().items():
        for new, old in names.items():
            name = name.replace(new, old)
        state[name] = tensor
    assert any(name.endswith("weight_g") for name in state)
    torch.save(state, tmp_path / "old" / "pytorch_model.bin")
    samples = noise(2)
    found = mert.load(tmp_path / "old", layer=1).rows([samples])
    np.testing.assert_allclose(found, direct(model, np.pad(samples, (0, 80)), 1), atol=2e-4)


def test_a_long_piece_is_heard_in_chunks_with_their_surroundings(tiny):
    model, folder = tiny
    samples = noise(50)
    found = mert.load(folder, layer=2).rows([samples])
    assert found.shape == (3750, 24)
    first = direct(model, samples[: 21 * RATE + 80], 2)[:1500]
    second = direct(model, samples[19 * RATE : 41 * RATE + 80], 2)[75 : 75 + 1500]
    last = direct(model, np.pad(samples[39 * RATE :], (0, 80)), 2)[75:]
    np.testing.assert_allclose(found, np.concatenate([first, second, last]), atol=5e-4)


@given(st.lists(st.integers(1, 900_000), max_size=5))
@settings(deadline=None, max_examples=5)
def test_rows_do_not_depend_on_how_blocks_are_cut(tiny, cuts):
    samples = noise(42)
    edges = [0, *sorted(min(cut, len(samples)) for cut in cuts), len(samples)]
    heard = mert.load(tiny[1], layer=1)
    blocks = [samples[start:end] for start, end in itertools.pairwise(edges)]
    np.testing.assert_allclose(heard.rows(blocks), heard.rows([samples]), atol=1e-5)


@pytest.mark.parametrize(("count", "rows"), [(0, 0), (319, 0), (320, 1), (399, 1), (24_000, 75), (24_319, 75)])
def test_there_is_a_row_for_each_whole_hop(tiny, count, rows):
    assert mert.load(tiny[1], layer=1).rows([noise(1.1)[:count]]).shape == (rows, 24)


def test_silence_gives_finite_rows(tiny):
    assert np.isfinite(mert.load(tiny[1], layer=3).rows([np.zeros(RATE, np.float32)])).all()


@given(st.integers(1, 200), st.integers(1, 75))
def test_fewer_rows_are_means_over_time(count, rows_per_s):
    rows = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    found = mert.at_rate(rows, rows_per_s)
    fine = np.repeat(rows.astype(float), rows_per_s, axis=0)  # each row is 1/75 s: in parts of 1/(75 rate) s
    parts = [fine[start : start + 75] for start in range(0, len(fine), 75)]
    np.testing.assert_allclose(found, [part.mean(0) for part in parts], atol=1e-5)


def test_rows_come_at_the_rate_that_is_asked_for(tiny):
    heard = mert.load(tiny[1], layer=1)
    samples = noise(41)
    np.testing.assert_allclose(
        heard.rows([samples], rows_per_s=25), heard.rows([samples]).reshape(-1, 3, 24).mean(1), atol=1e-5
    )
    assert len(heard.rows([samples], rows_per_s=50)) == 41 * 50


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"feature_extractor_cqt": True}, "feature_extractor_cqt"),
        ({"deepnorm": True}, "deepnorm"),
        ({"attention_relax": 32.0}, "attention_relax"),
        ({"model_type": "hubert"}, "hubert"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, "75 rows"),
    ],
)
def test_a_model_that_hubert_would_misread_is_refused(tmp_path, changes, word):
    saved(tmp_path / "other", **changes)
    with pytest.raises(CheckpointError, match=word):
        mert.load(tmp_path / "other")


def test_weights_that_lack_tensors_are_refused(tmp_path):
    saved(tmp_path / "short", num_hidden_layers=4)
    with pytest.raises(CheckpointError, match=r"tensors are missing"):
        mert.load(tmp_path / "short")


def test_weights_that_cannot_be_had_are_told_in_one_sentence(tmp_path):
    with pytest.raises(CheckpointError) as raised:
        mert.load(tmp_path / "nowhere")
    message = str(raised.value)
    assert "cannot be had" in message and "front end mel" in message and "\n" not in message


def test_damaged_weights_are_refused(tmp_path):
    saved(tmp_path / "bad")
    (tmp_path / "bad" / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(CheckpointError, match="cannot be had"):
        mert.load(tmp_path / "bad")


def test_a_layer_or_rate_that_there_is_not_is_refused(tiny):
    with pytest.raises(CheckpointError, match="0 to 3, not 4"):
        mert.load(tiny[1], layer=4)
    with pytest.raises(CheckpointError, match="up to 75"):
        mert.load(tiny[1], layer=1).rows([noise(1)], rows_per_s=100)
