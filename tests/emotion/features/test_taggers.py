"""The published taggers: they say what their authors' program says, and rows are where they should be."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import CheckpointError
from emotion.features import taggers
from emotion.features.frontends import PATCH_EVERY_S
from emotion.features.sound import SAMPLE_RATE
from tests.emotion.waves import slaney_filters

# Logits of the first twelve tags, and the sum of all magnitudes, that musicnn 0.1.0 gives on TensorFlow for `patch`.
THEIRS = {
    "musicnn": (
        [-6.342, -8.8749, -6.1688, -7.2093, -4.4733, -7.0772, -7.1814, -6.1053, -7.6915, -3.3498, -6.0332, 1.138],
        377.9267,
    ),
    "vgg": (
        [-1.8565, -2.6336, -2.8756, -3.1231, -0.6309, -3.1721, -2.1019, -4.4653, -3.8195, -2.0133, -4.5324, -1.35],
        182.5747,
    ),
}


def patch():
    t, f = np.arange(187)[:, None], np.arange(96)[None]
    return torch.from_numpy((1.5 + np.sin(t / 7 + f / 5) + 0.5 * np.cos(t * f / 300)).astype(np.float32)[None])


def tone(seconds, hertz=440.0, rate=SAMPLE_RATE):
    times_s = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hertz * times_s) + 0.1 * np.sin(2 * np.pi * 3000 * times_s)).astype(np.float32)


@pytest.mark.parametrize("name", taggers.TAGGERS)
@torch.inference_mode()
def test_tags_are_those_of_the_authors_program(name):
    model = taggers.load(name)
    logits = model.tags(model(patch()))[0]
    first, magnitude = THEIRS[name]
    np.testing.assert_allclose(logits[:12], first, atol=0.02)  # weights are halves here
    assert float(logits.abs().sum()) == pytest.approx(magnitude, rel=1e-3)


def mel_power(samples, window, rate):
    """(T, 96) written out: whole windows, half a window apart, in 96 of Slaney's bands up to 8 kHz."""
    framed = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), window)[:: window // 2]
    hann = np.sin(np.pi * np.arange(window) / window) ** 2
    return np.abs(np.fft.rfft(framed * hann)) ** 2 @ slaney_filters(window, 96, 8000.0, rate).T


def test_spectra_are_those_of_whole_windows_in_slaneys_bands():
    theirs = mel_power(tone(2.0), 768, SAMPLE_RATE)
    ours = taggers.spectra(tone(2.0)).numpy()
    np.testing.assert_allclose(ours, np.log10(1 + 1e4 * theirs * (512 / 768) ** 2), atol=1e-3)


def test_spectra_are_those_that_the_authors_make_at_16_khz():
    theirs = mel_power(tone(2.0, rate=16_000), 512, 16_000)
    np.testing.assert_allclose(taggers.spectra(tone(2.0)).numpy(), np.log10(1 + 1e4 * theirs), atol=0.02)


@pytest.mark.parametrize(("seconds", "rows"), [(0.5, 1), (3.0, 1), (6.0, 1), (7.0, 2), (9.1, 2), (12.5, 3), (30.0, 5)])
def test_there_is_a_row_every_six_seconds_and_one_at_the_end(seconds, rows, monkeypatch):
    model = taggers.VGG().eval()
    assert model.rows([tone(seconds)], PATCH_EVERY_S).shape == (rows, 36, 128)


@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=5), st.integers(0, 100))
def test_patches_do_not_depend_on_the_lengths_of_blocks(lengths, seed):
    samples = np.random.default_rng(seed).normal(size=sum(lengths)).astype(np.float32)
    blocks = np.split(samples, np.cumsum(lengths)[:-1])
    one, other = list(taggers._patches([samples], PATCH_EVERY_S)), list(taggers._patches(blocks, PATCH_EVERY_S))
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_missing_weights_are_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(taggers, "WEIGHTS", tmp_path)
    with pytest.raises(CheckpointError, match="no vgg weights"):
        taggers.load("vgg")
