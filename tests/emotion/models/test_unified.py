"""The unified model: what is known of a segment, what is not, and predictions that are the same after saving."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion import checkpoint, judge
from emotion.errors import CheckpointError
from emotion.features import acoustics, descriptors, harmony
from emotion.judge import Judge, Segment
from emotion.models import unified
from emotion.models.unified import GROUPS, KIND, Unified, UnifiedConfig, UnifiedModel, describe, sizes_of
from tests.emotion.plain_model import midi_file, played
from tests.emotion.waves import sine, wav

SIZES = sizes_of("mel")
SMALL = UnifiedConfig(SIZES, members=2, width=8)
MAJOR = tuple((beat / 2, beat / 2 + 0.45, pitch) for beat in range(16) for pitch in (60, 64, 67))
MINOR = tuple((beat / 2, beat / 2 + 0.45, pitch) for beat in range(16) for pitch in (57, 60, 64))


def sounding(seconds=8, seed=0):
    """A segment of random sound, in which an F minor chord is strongest."""
    rng = np.random.default_rng(seed)
    chroma = np.zeros((10 * seconds, 12), np.float32)
    chroma[:, [5, 8, 0]] = 1 / 3
    mel = rng.normal(-40, 8, (50 * seconds + 1, 96)).astype(np.float32)
    rows = {"musicnn": rng.normal(size=(2, 200)).astype(np.float32), "chroma": chroma}
    return Segment(mel, None, float(seconds), rows)


def slices():
    ends = np.cumsum(SIZES)
    return {name: slice(end - size, end) for name, size, end in zip(GROUPS, SIZES, ends, strict=True)}


@pytest.fixture(scope="module")
def listener():
    torch.manual_seed(5)
    model = Unified(SMALL).eval()
    model.centre.normal_()
    model.scale.uniform_(0.5, 2)
    model.temperature.fill_(0.6)
    return UnifiedModel(model, "2" * 64)


def test_there_are_as_many_numbers_as_the_descriptions_have_names():
    prediction = max(place.stop for place in acoustics.groups().values())
    assert dict(zip(GROUPS, SIZES, strict=True)) == {
        "sound": prediction, "embedding": 200, "harmony": len(harmony.NAMES), "notes": len(descriptors.NAMES)
    }  # fmt: skip
    assert sizes_of("mert")[1] == 768 and sizes_of("mert")[::2] == SIZES[::2]


def test_harmony_is_that_of_the_notes_where_there_are_notes_and_of_the_sound_where_not():
    sound_alone, place = sounding(), slices()["harmony"]
    notes = played(*MAJOR)
    both = replace(sound_alone, notes=notes)
    of_notes = harmony.features(harmony.recognise(harmony.chroma_of_notes(notes, 8.0)))
    of_sound = harmony.features(harmony.recognise(sound_alone.rows["chroma"]))
    assert np.abs(of_notes - of_sound).max() > 0.1
    np.testing.assert_allclose(describe(both).values[place], of_notes, atol=1e-6)
    np.testing.assert_allclose(describe(sound_alone).values[place], of_sound, atol=1e-6)
    np.testing.assert_allclose(describe(Segment(None, notes, 8.0)).values[place], of_notes, atol=1e-6)


def test_key_and_mode_are_those_of_the_music_and_never_always_major():
    place = slices()["harmony"]
    major, minor = (describe(Segment(None, played(*notes), 8.0)).values[place] for notes in (MAJOR, MINOR))
    assert np.abs(major - minor).max() > 0.2


@pytest.mark.parametrize(
    ("has_sound", "has_notes", "known"),
    [(True, True, [1, 1, 1, 1]), (True, False, [1, 1, 1, 0]), (False, True, [0, 0, 1, 1])],
)
def test_groups_are_known_that_the_segment_has_and_the_others_are_zeros(has_sound, has_notes, known):
    whole = replace(sounding(), notes=played(*MAJOR))
    given_stretch = Segment(
        whole.mel if has_sound else None,
        whole.notes if has_notes else None,
        8.0,
        whole.rows if has_sound else {},
    )
    predicted = describe(given_stretch)
    assert predicted.known.tolist() == [bool(each) for each in known]
    for name, has in zip(GROUPS, known, strict=True):
        assert predicted.values[slices()[name]].any() == bool(has), name


def test_each_group_of_numbers_is_the_description_of_its_name():
    segment = replace(sounding(), notes=played(*MAJOR))
    values = describe(segment).values
    np.testing.assert_allclose(values[slices()["sound"]], acoustics.describe(segment.mel), rtol=1e-5)
    np.testing.assert_allclose(values[slices()["embedding"]], segment.rows["musicnn"].mean(0), rtol=1e-5)
    np.testing.assert_allclose(values[slices()["notes"]], descriptors.describe(segment.notes), rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=4, max_size=4), st.integers(0, 1000))
@torch.inference_mode()
def test_numbers_of_a_hidden_group_have_no_effect(known, seed):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = Unified(SMALL).eval()
    mask, values = torch.tensor([known]), torch.randn(1, sum(SIZES), generator=generator)
    hidden = torch.tensor(np.repeat(~np.array(known), SIZES))
    other = torch.where(hidden, torch.randn(1, sum(SIZES), generator=generator) * 9, values)
    for one, two in zip(model.judge(values, mask), model.judge(other, mask), strict=True):
        torch.testing.assert_close(one, two)


@torch.inference_mode()
def test_numbers_of_a_known_group_have_an_effect(listener):
    values, known = torch.zeros(1, sum(SIZES)), torch.ones(1, 4, dtype=torch.bool)
    before = listener.model.judge(values, known)[0]
    for name, place in slices().items():
        changed = values.clone()
        changed[:, place] += 3
        assert (listener.model.judge(changed, known)[0] - before).abs().max() > 1e-4, name


def test_standard_numbers_are_z_scores_within_four_deviations_with_what_is_known_behind(listener):
    rng = np.random.default_rng(1)
    values = rng.normal(0, 4, (3, sum(SIZES))).astype(np.float32)
    known = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
    model = listener.model
    scores = np.clip((values - model.centre.numpy()) / model.scale.numpy(), -4, 4) * np.repeat(known, SIZES, axis=1)
    found = model.standard(torch.from_numpy(values), torch.from_numpy(known))
    np.testing.assert_allclose(found, np.concatenate([scores, known], 1), atol=1e-5)


@torch.inference_mode()
def test_members_are_networks_of_their_own_and_the_prediction_is_their_mean(listener):
    """Each member worked through by numpy, with the error function of GELU from the standard library."""
    from math import erf

    model = listener.model
    inputs = torch.randn(3, sum(SIZES) + 4, generator=torch.Generator().manual_seed(0))
    logits, affect = model(inputs)
    assert logits.shape == (2, 3, 4)
    for member in range(2):
        observed = inputs.numpy().astype(float)
        for layer in model.body:
            observed = observed @ layer.weight[member].numpy() + layer.bias[member].numpy()
            observed *= (1 + np.vectorize(erf)(observed / np.sqrt(2))) / 2
        predicted = observed @ model.quadrants.weight[member].numpy() + model.quadrants.bias[member].numpy()
        place = np.tanh(observed @ model.affect.weight[member].numpy() + model.affect.bias[member].numpy())
        np.testing.assert_allclose(logits[member], predicted, atol=1e-4)
        np.testing.assert_allclose(affect[member], place, atol=1e-4)
    assert (logits[0] - logits[1]).abs().max() > 1e-3


@torch.inference_mode()
def test_probabilities_are_the_softmax_of_the_mean_over_the_temperature(listener):
    values, known = torch.randn(5, sum(SIZES)), torch.ones(5, 4, dtype=torch.bool)
    logits, affect = listener.model(listener.model.standard(values, known))
    mean = logits.mean(0).numpy() / 0.6
    chances, places = listener.model.judge(values, known)
    np.testing.assert_allclose(chances, np.exp(mean) / np.exp(mean).sum(1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(places, affect.mean(0), atol=1e-6)


def test_a_prediction_does_not_depend_on_the_other_segments(listener):
    segments = [sounding(8), replace(sounding(4, 1), notes=played(*MAJOR)), Segment(None, played(*MINOR), 8.0)]
    together = listener.predict(segments)
    for row, one in zip(together, segments, strict=True):
        np.testing.assert_allclose(row, listener.predict([one])[0], atol=1e-5)
        assert np.abs(row[:2]).max() <= 1 and row[2:].sum() == pytest.approx(1, abs=1e-5)


def test_a_judge_takes_sound_midi_and_both_with_it(listener, tmp_path):
    sound_path = wav(tmp_path / "a.wav", sine(8.0, 24_000), 24_000)
    midi_path = midi_file(tmp_path / "a.mid", *MAJOR)
    judging = Judge(listener)
    found = [judging.predict(sound_path), judging.predict(midi=midi_path), judging.predict(sound_path, midi_path)]
    assert [each.heard for each in found] == ["audio", "MIDI", "audio and MIDI"]
    assert len({each.whole.valence for each in found}) == 3
    assert listener.frontends == ("musicnn", "chroma")


def test_weights_come_back_as_they_were_saved(listener, tmp_path):
    checkpoint.save_module(listener.model, tmp_path, kind=KIND, config={"model": asdict(SMALL)})
    again = unified.load(tmp_path)
    assert again.sha256 == checkpoint.file_sha256(tmp_path / checkpoint.WEIGHTS)
    assert again.model.config == SMALL
    segments = [sounding(), Segment(None, played(*MINOR), 8.0)]
    np.testing.assert_allclose(
        again.predict(segments), listener.predict(segments), atol=0.01
    )  # weights are halves there


@pytest.mark.parametrize("change", [{"members": 3}, {"width": 6}, {"sizes": sizes_of("mert")}])
def test_weights_of_another_shape_are_refused(listener, change, tmp_path):
    config = {"model": asdict(replace(SMALL, **change))}
    checkpoint.save_module(listener.model, tmp_path, kind=KIND, config=config)
    with pytest.raises(CheckpointError, match="do not fit"):
        unified.load(tmp_path)


@pytest.mark.skipif(not unified.WEIGHTS.is_dir(), reason="no trained weights of unified are in this checkout")
def test_the_weights_that_ship_hear_slow_low_notes_as_calmer_than_fast_high_ones(tmp_path):
    slow = midi_file(tmp_path / "slow.mid", *((beat * 2.0, beat * 2 + 1.9, 40 + 3 * (beat % 3)) for beat in range(8)))
    fast = midi_file(tmp_path / "fast.mid", *((beat / 8, beat / 8 + 0.1, 64 + 4 * (beat % 5)) for beat in range(128)))
    calm, busy = (judge.load("unified").predict(midi=path).whole for path in (slow, fast))
    assert np.isfinite([calm.valence, calm.arousal, *calm.quadrants]).all()
    assert calm.arousal < busy.arousal
