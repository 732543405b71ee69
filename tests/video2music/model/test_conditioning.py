"""What the video changes of the next chord, each way by itself, and the tilt in a plain loop."""

import math

import pytest
import torch

from tests.video2music.model.conftest import loud
from video2music.chords import END, PAD, QUALITIES, Chord
from video2music.model.conditioning import GAIN, STEEPNESS, UNLIKELY, VideoConditioning
from video2music.model.video import EMOTION, MOVEMENT

STEPS = 12


@pytest.fixture
def conditioning():
    torch.manual_seed(0)
    return loud(VideoConditioning())


@pytest.fixture
def song():
    """Log-probabilities of STEPS chords without video, and the chords before."""
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(2, STEPS, 159, generator=generator)
    chords = torch.randint(0, 157, (2, STEPS - 1), generator=generator)
    previous = torch.cat([torch.full((2, 1), PAD), chords], dim=1)
    return logits.log_softmax(-1), previous


def without(conditioning, *, repeat=True, emotion=True, end=True):
    """Set some of the biases to 0, by default all."""
    with torch.no_grad():
        if repeat:
            conditioning.repeat_bias[-1].weight.zero_()
            conditioning.repeat_bias[-1].bias.zero_()
        if emotion:
            conditioning.emotion_bias.mlp[-1].weight.zero_()
            conditioning.emotion_bias.mlp[-1].bias.zero_()
        if end:
            conditioning.end_bias.zero_()
    return conditioning


def conditioned(conditioning, video, song, previous):
    with torch.no_grad():
        return conditioning(song, previous, conditioning.encode(video))


def odds(logits, ids):
    chance = logits.double().softmax(-1).gather(-1, ids[..., None])[..., 0]
    return (chance / (1 - chance)).log()


def test_without_biases_the_song_is_left_as_it_is(conditioning, video, song):
    logits = conditioned(without(conditioning), video(STEPS, STEPS), *song)
    torch.testing.assert_close(logits.log_softmax(-1), song[0], atol=1e-4, rtol=0)


def test_where_only_the_end_moves_the_order_of_the_chords_stays(conditioning, video, song):
    logits = conditioned(without(conditioning, end=False), video(STEPS, STEPS), *song)
    assert torch.equal(logits[..., :END].argsort(-1), song[0][..., :END].argsort(-1))


def test_the_end_is_raised_beyond_the_video_only(conditioning, video, song):
    without(conditioning)
    conditioning.end_bias.data = torch.tensor([-4.0, 8.0])
    logits = conditioned(conditioning, video(STEPS - 1, 7), *song)
    moved = odds(logits, torch.full((2, STEPS), END)) - odds(song[0], torch.full((2, STEPS), END))
    for row, length in enumerate((STEPS - 1, 7)):
        for step in range(STEPS):
            assert moved[row, step].item() == pytest.approx(-4.0 if step < length else 8.0, abs=1e-3)


def test_the_odds_of_the_chord_before_move_by_exactly_the_nats(conditioning, video, song):
    without(conditioning, repeat=False)
    with torch.no_grad():
        conditioning.repeat_bias[-1].weight.zero_()
        conditioning.repeat_bias[-1].bias.fill_(1.7)
    logits = conditioned(conditioning, video(STEPS, STEPS), *song)
    moved = odds(logits, song[1]) - odds(song[0], song[1])
    assert moved[:, 0].abs().max() < 1e-3  # the first step follows no chord
    torch.testing.assert_close(moved[:, 1:], torch.full((2, STEPS - 1), 1.7).double(), atol=1e-3, rtol=0)


def test_the_repeat_bias_depends_on_seven_seconds_of_video(conditioning, video, song):
    without(conditioning, repeat=False)
    features = video(STEPS, STEPS)
    moved = features.movement.clone()
    moved[:, 11] += 5
    before, after = (conditioned(conditioning, one, *song) for one in (features, features._replace(movement=moved)))
    changed = (before - after).abs().amax((0, 2)) > 1e-5
    assert changed.tolist() == [False] * 8 + [True] * 4  # seven seconds, centred


def test_the_emotion_biases_unlikely_chords_by_their_quality(conditioning, video, song):
    without(conditioning, emotion=False)
    features = video(STEPS, STEPS)
    found = conditioned(conditioning, features, *song)
    with torch.no_grad():
        bias = conditioning.emotion_bias.mlp(features.emotion) * GAIN
    for row, step in ((0, 0), (0, 5), (1, 11)):
        for index in range(159):
            log_chance = song[0][row, step, index].item()
            unlikely = 1 / (1 + math.exp(-(UNLIKELY - log_chance) * STEEPNESS))
            chord = Chord.from_id(index) if index < END else None
            kind = index - END + 1 if chord is None else 3 + QUALITIES.index(chord.quality) if chord.quality else 0
            expected = log_chance + unlikely * bias[row, step, kind].item() + bias[row, step, -1].item()
            assert found[row, step, index].item() == pytest.approx(expected, abs=1e-3)


def test_the_emotion_leaves_likely_chords_to_the_song(conditioning, video):
    without(conditioning, emotion=False)
    logits = torch.full((2, STEPS, 159), -12.0)
    logits[..., :3] = torch.tensor([0.0, -0.5, -1.0])
    found = conditioned(conditioning, video(STEPS, STEPS), logits, torch.full((2, STEPS), PAD))
    gaps = found[..., :2] - found[..., 1:3]
    torch.testing.assert_close(gaps, torch.full_like(gaps, 0.5), atol=0.02, rtol=0)


def test_a_level_common_to_all_chords_leaves_the_probabilities(conditioning, video, song):
    before = conditioned(conditioning, video(STEPS, STEPS), *song)
    conditioning.emotion_bias.mlp[-1].bias.data[-1] += 3
    after = conditioned(conditioning, video(STEPS, STEPS), *song)
    torch.testing.assert_close(after, before + 3 * GAIN)


def test_semantic_rows_are_not_used(conditioning, video, song):
    features = video(STEPS, STEPS)
    other = features._replace(semantic=features.semantic * 3 + 1)
    assert torch.equal(conditioned(conditioning, features, *song), conditioned(conditioning, other, *song))


@pytest.mark.parametrize("hidden", (EMOTION, MOVEMENT))
def test_a_hidden_modality_changes_nothing_when_its_rows_change(conditioning, video, song, hidden):
    features = video(STEPS, STEPS)
    name = ("semantic", "emotion", "movement")[hidden]
    other = features._replace(**{name: getattr(features, name).flip(1) * 2})
    present = torch.ones(2, 3, dtype=torch.bool)
    present[:, hidden] = False
    unseen = [conditioned(conditioning, one._replace(present=present), *song) for one in (features, other)]
    assert torch.equal(*unseen)
    assert (conditioned(conditioning, features, *song) - conditioned(conditioning, other, *song)).abs().max() > 1e-3


def test_absent_rows_equal_hidden_ones(conditioning, video, song):
    features = video(STEPS, STEPS)._replace(present=torch.zeros(2, 3, dtype=torch.bool))
    none = features._replace(
        semantic=features.semantic[..., :0], emotion=features.emotion[..., :0], movement=features.movement[..., :0]
    )
    torch.testing.assert_close(conditioned(conditioning, features, *song), conditioned(conditioning, none, *song))


def test_steps_taken_one_by_one_are_those_of_all_at_once(conditioning, video, song):
    whole = conditioned(conditioning, video(STEPS - 1, 7), *song)
    with torch.no_grad():
        features = conditioning.encode(video(STEPS - 1, 7))
        steps = [conditioning(song[0][:, i : i + 1], song[1][:, i : i + 1], features, start=i) for i in range(STEPS)]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=0)


def test_before_training_the_repeat_bias_is_zero(video, song):
    torch.manual_seed(0)
    fresh = without(VideoConditioning(), repeat=False)
    torch.testing.assert_close(
        conditioned(fresh, video(STEPS, STEPS), *song).log_softmax(-1), song[0], atol=1e-4, rtol=0
    )
