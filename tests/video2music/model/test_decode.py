import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotion.affect import EMOTIONS
from video2music.chords import END, PAD, Chord
from video2music.model import decode
from video2music.model.conditioning import ALLOWED

RULES = (decode.OnlyChords(), decode.MaxRepeat(4))


def compose(model, video, *filters, seed=0, minor=True, primer=()):
    generator = torch.Generator().manual_seed(seed)
    writer = decode.ChordWriter(model, video, minor=minor, filters=filters, generator=generator, primer=primer)
    writer.write_until(writer.steps)
    return writer.chords


class Always:
    """A model that gives one chord all of the probability."""

    def __init__(self, model, chord_id):
        self.model, self.chord_id, self.config = model, chord_id, model.config

    def start(self, video, minor):
        return self.model.start(video, minor)

    def advance(self, state, chords):
        logits = self.model.advance(state, chords)
        logits[..., self.chord_id] = 1000.0
        return logits


@pytest.mark.parametrize("steps", [1, 2, 3, 40])
def test_there_are_as_many_chords_as_steps(tiny_amt, video, steps):
    assert len(compose(tiny_amt, video(steps), *RULES, decode.Cadence(steps, True))) == steps


@pytest.mark.parametrize("favourite", [0, END, PAD])
def test_end_pad_and_no_chord_are_never_sampled(tiny_amt, video, favourite):
    chords = compose(Always(tiny_amt, favourite), video(30), *RULES)
    assert all(chord.root is not None for chord in chords)


def test_a_chord_never_repeats_longer_than_max_repeat(tiny_amt, video):
    favourite = Chord.parse("C").id
    chords = compose(Always(tiny_amt, favourite), video(60), *RULES)
    longest = max(len(list(run)) for run in _runs(chords))
    assert longest == 4


def test_the_frequency_penalty_lowers_only_what_fills_the_last_steps():
    history = [7, 5, 5, 5, 5, 9, 9, 5, 7]
    change = decode.FrequencyPenalty()(torch.zeros(159), history)
    assert change[5].item() == pytest.approx(-8 * (5 / 8 - 1 / 4))
    assert not change[torch.arange(159) != 5].any()


def _runs(chords):
    from itertools import groupby

    return [list(group) for _, group in groupby(chords)]


def test_a_seed_gives_the_same_chords_and_another_gives_others(tiny_amt, video):
    first, again, other = (compose(tiny_amt, video(40), *RULES, seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_the_primer_comes_first(tiny_amt, video):
    primer = [Chord.parse(name) for name in ("A:min", "F", "C", "G")]
    assert compose(tiny_amt, video(9), *RULES, primer=primer)[:4] == primer


@pytest.mark.parametrize(("minor", "tonic"), [(True, "A:min"), (False, "C")])
def test_the_piece_ends_on_the_tonic_after_a_chord_that_leads_to_it(tiny_amt, video, minor, tonic):
    chords = compose(tiny_amt, video(12), *RULES, decode.Cadence(12, minor), minor=minor)
    assert str(chords[-1]) == tonic
    assert chords[-2].root in ({4, 2, 7} if minor else {7, 5})


def test_the_piece_ends_on_the_tonic_even_after_a_primer_that_never_leaves_it(tiny_amt, video):
    rules = (decode.OnlyChords(), decode.Cadence(8, True), decode.MaxRepeat(4))
    chords = compose(tiny_amt, video(8), *rules, primer=[Chord.parse("A:min")] * 7)
    assert str(chords[-1]) == "A:min"


def test_a_long_clip_is_written_in_windows_that_carry_their_history(tiny_amt, video):
    steps = tiny_amt.config.max_steps * 2 + 17
    chords = compose(tiny_amt, video(steps), *RULES, decode.Cadence(steps, True))
    assert len(chords) == steps
    assert max(len(run) for run in _runs(chords)) <= 4


def test_within_one_window_the_history_makes_no_difference_to_a_plain_loop(tiny_amt, video):
    seen, ids = video(15), [PAD]
    greedy = compose(tiny_amt, seen, decode.Temperature(0))
    for _ in range(15):
        ids.append(int(tiny_amt(torch.tensor([ids]), torch.tensor([True]), seen)[0, -1, :157].argmax()))
    assert [chord.id for chord in greedy] == ids[1:]


C_MAJOR, A_MINOR = {0, 2, 4, 5, 7, 9, 11}, {9, 11, 0, 2, 4, 5, 7, 8}


@pytest.mark.parametrize(("minor", "scale"), [(False, C_MAJOR), (True, A_MINOR)])
@pytest.mark.parametrize("emotion", [name for name in EMOTIONS if ALLOWED[name]])
def test_the_emotion_bias_raises_the_chords_of_the_key_that_the_emotion_allows(emotion, minor, scale):
    rows = np.eye(6)[[EMOTIONS.index(emotion)]]
    logits = torch.randn(159, generator=torch.Generator().manual_seed(0))
    gains = decode.ChordBias(decode.emotion_bias(rows, 0.5, minor=minor))(logits, []) - logits
    for chord_id in range(159):
        chord = Chord.from_id(chord_id) if chord_id < END else None
        wanted = chord and chord.quality in ALLOWED[emotion] and set(chord.pitch_classes) <= scale
        assert gains[chord_id].item() == pytest.approx(3.0 if wanted else 0.0, abs=1e-5)


def test_without_strength_there_is_no_emotion_bias():
    assert not decode.emotion_bias(np.eye(6), 0.0, minor=False).any()


@given(st.lists(st.floats(-20, 20), min_size=159, max_size=159), st.floats(0.05, 1))
def test_top_p_keeps_the_smallest_set_with_that_mass(values, mass):
    logits = torch.tensor(values, dtype=torch.float64)
    probability = logits.softmax(-1)
    kept = probability[decode.TopP(mass)(logits, []).isfinite()]
    assert kept.sum() >= mass - 1e-9
    assert kept.sum() - kept.min() < mass + 1e-9


def test_a_rule_that_would_leave_nothing_is_skipped(tiny_amt, video):
    def nothing(logits, history):
        return torch.full_like(logits, -math.inf)

    assert len(compose(tiny_amt, video(5), *RULES, nothing)) == 5


def test_a_song_written_in_parts_is_the_same_as_in_one_go(tiny_amt, video):
    steps = tiny_amt.config.max_steps + 9
    seen, rules = video(steps), (*RULES, decode.Cadence(steps, True))
    in_one_go = compose(tiny_amt, seen, *rules, seed=7)
    for stops in ((1, 2, 3, 40), (17, 17, 5, 90), (0, 300)):
        generator = torch.Generator().manual_seed(7)
        writer = decode.ChordWriter(tiny_amt, seen, minor=True, filters=rules, generator=generator)
        for stop in (*stops, steps):
            before = writer.chords
            writer.write_until(stop)
            assert len(writer.chords) == max(len(before), min(stop, steps))
            assert writer.chords[: len(before)] == before
        assert writer.chords == in_one_go


def test_two_songs_can_be_written_by_turns(tiny_amt, video):
    seen = video(20)
    songs = [
        decode.ChordWriter(tiny_amt, seen, minor=True, filters=RULES, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 2)
    ]
    for stop in (5, 11, 20):
        for song in songs:
            song.write_until(stop)
    assert [song.chords for song in songs] == [compose(tiny_amt, seen, *RULES, seed=seed) for seed in (1, 2)]


@pytest.mark.parametrize(("minor", "scale"), [(False, C_MAJOR), (True, A_MINOR)])
def test_the_brightness_bias_raises_major_chords_of_the_key_and_lowers_minor_ones(minor, scale):
    bias = decode.brightness_bias(np.array([1.5, -1.5]), minor=minor)
    for chord_id in range(END):
        chord = Chord.from_id(chord_id)
        inside = chord.root is not None and set(chord.pitch_classes) <= scale
        expected = {"maj": 1.5, "min": -1.5, "dim": -1.5, "sus4": 0.0}.get(chord.quality) if inside else 0.0
        if expected is not None:
            assert bias[0, chord_id].item() == pytest.approx(expected)
        assert bias[1, chord_id].item() == -bias[0, chord_id].item()


def test_the_repeat_bias_moves_only_the_chord_before_by_what_its_step_says():
    change = decode.RepeatBias(torch.tensor([9.0, 9.0, -1.5, 9.0]))(torch.zeros(159), [4, 8])
    assert change[8].item() == -1.5 and not change[torch.arange(159) != 8].any()
    assert not decode.RepeatBias(torch.ones(3))(torch.zeros(159), []).any()
