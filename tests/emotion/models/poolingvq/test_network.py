"""The network on real rows of a tiny size: masks, missing media, checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.errors import CheckpointError
from emotion.judge import Segment
from emotion.midi import tokens as vocabulary
from emotion.midi.notes import Notes
from emotion.models.poolingvq import ensemble
from emotion.models.poolingvq.encoders import CHUNK, Encoders, EncodersConfig
from emotion.models.poolingvq.ensemble import EnsembleConfig, PoolingVQEnsemble
from emotion.models.poolingvq.network import PoolingVQ
from emotion.models.poolingvq.pipeline import save
from emotion.models.poolingvq.segments import SegmentRows, collate, rows_of
from tests.emotion.features.test_descriptors import MAJOR, MINOR, scale


def tiny(pooling: str = "adaptive", **more) -> EncodersConfig:
    sizes = {"width": 16, "layers": 1, "heads": 2, "channels": (4, 4, 8, 8), "n_codes": 8}
    return EncodersConfig(**{**sizes, "sizes": vocabulary.sizes(), "pooling": pooling, **more})


def rows(seconds: float, notes: Notes | None, *, seed: int = 0) -> SegmentRows:
    rng = np.random.default_rng(seed)
    mel = rng.uniform(-80, 0, (round(seconds * 50), 96)).astype(np.float32) if seconds else None
    return rows_of(mel, notes, max_tokens=500)


@pytest.fixture(scope="module")
def model() -> PoolingVQEnsemble:
    torch.manual_seed(0)
    made = PoolingVQEnsemble(tiny(), EnsembleConfig(members=2, quadrant_points=3, affect_points=2))
    inputs = torch.randn(3, made.config.n_descriptors)
    made.by_quadrant.fit(inputs, torch.eye(4)[:3], ridge=0.1)
    made.by_affect.fit(inputs[:2], torch.tensor([[0.5, -0.5], [-0.2, 0.1]]), ridge=0.1)
    return made.eval()


@pytest.mark.parametrize("pooling", ["adaptive", "mean", "max", "none"])
@torch.inference_mode()
def test_a_segment_has_the_same_prediction_alone_and_among_longer_ones(pooling: str) -> None:
    torch.manual_seed(0)
    config = tiny(pooling)
    encoders, network = Encoders(config).eval(), PoolingVQ(config).eval()
    short, long = rows(6.0, scale(MAJOR, gap_s=0.1)), rows(20.0, scale(MINOR), seed=1)
    alone, among = (network(encoders(collate(batch))) for batch in ([short], [long, short]))
    np.testing.assert_allclose(alone.quadrants[0], among.quadrants[1], atol=2e-4)
    np.testing.assert_allclose(alone.affect[0], among.affect[1], atol=2e-4)


@torch.inference_mode()
def test_predictions_from_sound_alone_notes_alone_and_both_differ(model: PoolingVQEnsemble) -> None:
    notes = scale(MAJOR)
    prediction = [model(collate([each])) for each in (rows(8.0, None), rows(0, notes), rows(8.0, notes))]
    for quadrants, affect in prediction:
        assert torch.isfinite(quadrants).all() and torch.isfinite(affect).all()
        assert quadrants.sum().item() == pytest.approx(1, abs=1e-5)
        assert affect.abs().max() <= 1
    assert len({round(quadrants[0, 0].item(), 6) for quadrants, _ in prediction}) == 3


@torch.inference_mode()
def test_gain_has_no_effect(model: PoolingVQEnsemble) -> None:
    loud = rows(8.0, None)
    assert loud.sound is not None
    quiet = loud._replace(sound=np.clip(loud.sound, -60, None) - 6)
    loud = loud._replace(sound=np.clip(loud.sound, -60, None))
    for one, other in zip(model(collate([loud])), model(collate([quiet])), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@torch.inference_mode()
def test_words_are_encoded_chunk_by_chunk() -> None:
    torch.manual_seed(0)
    encoders = Encoders(tiny()).eval()
    many = rows(0, scale(MAJOR, gap_s=0.05))
    tokens = np.concatenate([many.tokens] * (2 * CHUNK // len(many.tokens) + 1))
    times_s = np.arange(len(tokens), dtype=np.float32) / 10
    whole = encoders(collate([many._replace(tokens=tokens, times_s=times_s)])).tokens[0]
    second = encoders(
        collate([many._replace(tokens=tokens[CHUNK : 2 * CHUNK], times_s=times_s[CHUNK : 2 * CHUNK])])
    ).tokens[0]
    np.testing.assert_allclose(whole[CHUNK : 2 * CHUNK], second, atol=1e-5)


def test_what_was_saved_is_loaded_and_predicts_the_same(model: PoolingVQEnsemble, tmp_path: Path) -> None:
    save(model, tmp_path)
    listener = ensemble.load(tmp_path)
    segment = Segment(rows(8.0, None).sound, scale(MINOR), 8.0)
    again = model.half().float()
    with torch.inference_mode():
        quadrants, affect = again(collate([rows_of(segment.mel, segment.notes, max_tokens=500)]))
    predicted = listener.predict([segment])[0]
    np.testing.assert_allclose(predicted, torch.cat([affect, quadrants], dim=1)[0], atol=1e-4)
    assert listener.modalities == {"audio", "MIDI"} and listener.longest_s == model.config.longest_s


def test_weights_that_are_not_there_are_reported_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no poolingvq weights at .*config\.json is missing"):
        ensemble.load(tmp_path)


def test_merts_rows_fit_the_same_network() -> None:
    torch.manual_seed(0)
    config = tiny(frontend="mert")
    encoders, network = Encoders(config).eval(), PoolingVQ(config).eval()
    prediction = rows_of(
        np.random.default_rng(0).normal(size=(600, 768)).astype(np.float32), scale(MAJOR), max_tokens=99
    )
    assert network(encoders(collate([prediction]))).quadrants.shape == (1, 4)
    model = PoolingVQEnsemble(config, EnsembleConfig(members=1, quadrant_points=1, affect_points=1)).eval()
    listener = ensemble.PoolingVQModel(model, "0")
    assert listener.frontends == ("mert",)
    mel = np.zeros((400, 96), np.float32)
    predicted = [
        listener.predict([Segment(mel, scale(MAJOR), 8.0, {"mert": prediction.sound * gain})])[0] for gain in (1, -1)
    ]
    assert not np.allclose(*predicted)
