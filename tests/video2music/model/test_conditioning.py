"""What the picture changes of the next chord, each way by itself, and the tilt in a plain loop."""

import math

import pytest
import torch

from tests.video2music.model.conftest import loud
from video2music.chords import END, PAD, QUALITIES, Chord
from video2music.model.conditioning import GAIN, STEEPNESS, UNLIKELY, Watching
from video2music.model.video import EMOTION, MOVEMENT

STEPS = 12


@pytest.fixture
def watching():
    torch.manual_seed(0)
    return loud(Watching())


@pytest.fixture
def said():
    """What a song says of STEPS chords, and the chords before."""
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(2, STEPS, 159, generator=generator)
    chords = torch.randint(0, 157, (2, STEPS - 1), generator=generator)
    previous = torch.cat([torch.full((2, 1), PAD), chords], dim=1)
    return logits.log_softmax(-1), previous


def silence(watching, *, when=True, tilt=True, ends=True):
    """Let only some of the ways speak."""
    with torch.no_grad():
        if when:
            watching.when[-1].weight.zero_()
            watching.when[-1].bias.zero_()
        if tilt:
            watching.tilt.wish[-1].weight.zero_()
            watching.tilt.wish[-1].bias.zero_()
        if ends:
            watching.ends.zero_()
    return watching


def seen_by(watching, picture, said, previous):
    with torch.no_grad():
        return watching(said, previous, watching.look(picture))


def odds(logits, ids):
    chance = logits.double().softmax(-1).gather(-1, ids[..., None])[..., 0]
    return (chance / (1 - chance)).log()


def test_without_moment_tilt_and_end_the_song_is_left_as_it_is(watching, picture, said):
    logits = seen_by(silence(watching), picture(STEPS, STEPS), *said)
    torch.testing.assert_close(logits.log_softmax(-1), said[0], atol=1e-4, rtol=0)


def test_where_only_the_end_moves_the_order_of_the_chords_stays(watching, picture, said):
    logits = seen_by(silence(watching, ends=False), picture(STEPS, STEPS), *said)
    assert torch.equal(logits[..., :END].argsort(-1), said[0][..., :END].argsort(-1))


def test_the_end_is_raised_beyond_the_video_only(watching, picture, said):
    silence(watching)
    watching.ends.data = torch.tensor([-4.0, 8.0])
    logits = seen_by(watching, picture(STEPS - 1, 7), *said)
    moved = odds(logits, torch.full((2, STEPS), END)) - odds(said[0], torch.full((2, STEPS), END))
    for row, length in enumerate((STEPS - 1, 7)):
        for step in range(STEPS):
            assert moved[row, step].item() == pytest.approx(-4.0 if step < length else 8.0, abs=1e-3)


def test_the_odds_of_the_chord_before_move_by_exactly_the_nats(watching, picture, said):
    silence(watching, when=False)
    with torch.no_grad():
        watching.when[-1].weight.zero_()
        watching.when[-1].bias.fill_(1.7)
    logits = seen_by(watching, picture(STEPS, STEPS), *said)
    moved = odds(logits, said[1]) - odds(said[0], said[1])
    assert moved[:, 0].abs().max() < 1e-3  # the first step follows no chord
    torch.testing.assert_close(moved[:, 1:], torch.full((2, STEPS - 1), 1.7).double(), atol=1e-3, rtol=0)


def test_the_moment_depends_on_the_picture_around_and_on_nothing_farther(watching, picture, said):
    silence(watching, when=False)
    seen = picture(STEPS, STEPS)
    moved = seen.movement.clone()
    moved[:, 11] += 5
    before, after = (seen_by(watching, one, *said) for one in (seen, seen._replace(movement=moved)))
    changed = (before - after).abs().amax((0, 2)) > 1e-5
    assert changed.tolist() == [False] * 8 + [True] * 4  # seven seconds, centred


def test_the_emotion_tilts_unlikely_chords_by_their_quality(watching, picture, said):
    silence(watching, tilt=False)
    seen = picture(STEPS, STEPS)
    found = seen_by(watching, seen, *said)
    with torch.no_grad():
        wish = watching.tilt.wish(seen.emotion) * GAIN
    for row, step in ((0, 0), (0, 5), (1, 11)):
        for index in range(159):
            log_chance = said[0][row, step, index].item()
            unlikely = 1 / (1 + math.exp(-(UNLIKELY - log_chance) * STEEPNESS))
            chord = Chord.from_id(index) if index < END else None
            kind = index - END + 1 if chord is None else 3 + QUALITIES.index(chord.quality) if chord.quality else 0
            expected = log_chance + unlikely * wish[row, step, kind].item() + wish[row, step, -1].item()
            assert found[row, step, index].item() == pytest.approx(expected, abs=1e-3)


def test_the_emotion_leaves_likely_chords_to_the_song(watching, picture):
    silence(watching, tilt=False)
    logits = torch.full((2, STEPS, 159), -12.0)
    logits[..., :3] = torch.tensor([0.0, -0.5, -1.0])
    found = seen_by(watching, picture(STEPS, STEPS), logits, torch.full((2, STEPS), PAD))
    gaps = found[..., :2] - found[..., 1:3]
    torch.testing.assert_close(gaps, torch.full_like(gaps, 0.5), atol=0.02, rtol=0)


def test_a_level_common_to_all_chords_leaves_the_probabilities(watching, picture, said):
    before = seen_by(watching, picture(STEPS, STEPS), *said)
    watching.tilt.wish[-1].bias.data[-1] += 3
    after = seen_by(watching, picture(STEPS, STEPS), *said)
    torch.testing.assert_close(after, before + 3 * GAIN)


def test_semantic_rows_are_not_looked_at(watching, picture, said):
    seen = picture(STEPS, STEPS)
    other = seen._replace(semantic=seen.semantic * 3 + 1)
    assert torch.equal(seen_by(watching, seen, *said), seen_by(watching, other, *said))


@pytest.mark.parametrize("hidden", (EMOTION, MOVEMENT))
def test_a_hidden_modality_changes_nothing_when_its_rows_change(watching, picture, said, hidden):
    seen = picture(STEPS, STEPS)
    name = ("semantic", "emotion", "movement")[hidden]
    other = seen._replace(**{name: getattr(seen, name).flip(1) * 2})
    present = torch.ones(2, 3, dtype=torch.bool)
    present[:, hidden] = False
    unseen = [seen_by(watching, one._replace(present=present), *said) for one in (seen, other)]
    assert torch.equal(*unseen)
    assert (seen_by(watching, seen, *said) - seen_by(watching, other, *said)).abs().max() > 1e-3


def test_rows_that_are_not_there_are_as_good_as_hidden_ones(watching, picture, said):
    seen = picture(STEPS, STEPS)._replace(present=torch.zeros(2, 3, dtype=torch.bool))
    none = seen._replace(
        semantic=seen.semantic[..., :0], emotion=seen.emotion[..., :0], movement=seen.movement[..., :0]
    )
    torch.testing.assert_close(seen_by(watching, seen, *said), seen_by(watching, none, *said))


def test_steps_taken_one_by_one_are_those_of_all_at_once(watching, picture, said):
    whole = seen_by(watching, picture(STEPS - 1, 7), *said)
    with torch.no_grad():
        seen = watching.look(picture(STEPS - 1, 7))
        steps = [watching(said[0][:, i : i + 1], said[1][:, i : i + 1], seen, start=i) for i in range(STEPS)]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=0)


def test_before_training_the_picture_moves_no_moment(picture, said):
    torch.manual_seed(0)
    fresh = silence(Watching(), when=False)
    torch.testing.assert_close(seen_by(fresh, picture(STEPS, STEPS), *said).log_softmax(-1), said[0], atol=1e-4, rtol=0)
