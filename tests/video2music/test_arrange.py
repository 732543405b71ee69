"""Arranging: density drives texture, loudness drives velocity, and the end is where the form says."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.arrange import arrange, velocity_of
from video2music.chords import INTERVALS, NO_CHORD, QUALITIES, Chord, parse_sequence
from video2music.errors import OptionError
from video2music.expression import Expression, Pull
from video2music.form import plan
from video2music.styles import load_style, names
from video2music.values import Cut, Dynamics, Key, Marker, Score

PIANO = load_style("piano")
A_MINOR = Key.parse("A minor")
LOOP = parse_sequence("Am F C G")


def compose(
    duration_s=60.0,
    chords=LOOP,
    density=10.0,
    loudness=0.17,
    *,
    style=PIANO,
    arousal=0.0,
    key=A_MINOR,
    seed=0,
    cuts=(),
    **also,
):
    form = plan(duration_s, cuts, arousal=arousal, style=style)
    steps = len(form)
    row = [
        np.resize(np.asarray(value, np.float32), steps) if np.ndim(value) < 1 else value
        for value in (density, loudness)
    ]
    row = [np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, len(v)), v).astype(np.float32) for v in row]
    played = [chords[step % len(chords)] for step in range(steps)]
    rng = np.random.default_rng(seed)
    return form, played, arrange(played, Dynamics(*row), form, style, key=key, rng=rng, **also)


def sounding_per_second(score: Score) -> np.ndarray:
    """Oracle: for each whole second, how many notes are heard at some time within it; as MuVi-Sync counts."""
    counts = []
    for second in range(math.ceil(score.duration_s)):
        heard = 0
        for track in score.tracks:
            heard += sum(note.start_s < second + 1 and note.end_s > second for note in track.notes)
        counts.append(heard)
    return np.array(counts, float)


def notes_of(score: Score):
    return sorted(note for track in score.tracks for note in track.notes)


def rank_correlation(a, b) -> float:
    """Spearman's, from ranks that share ties."""

    def ranks(x):
        return np.array([(np.sum(x < value) + np.sum(x <= value)) / 2 for value in x])

    return float(np.corrcoef(ranks(np.asarray(a)), ranks(np.asarray(b)))[0, 1])


@pytest.mark.parametrize("style", names())
@pytest.mark.parametrize("arousal", [-1.0, -0.2, 0.5, 1.0])
def test_notes_within_a_second_follow_the_density_that_was_asked_for(style, arousal):
    curve = np.array([2, 5, 9, 14, 19, 12, 7, 3, 6, 11, 17, 10], float)
    form, _, score = compose(180.0, density=curve, style=load_style(style), arousal=arousal)
    last = int(form.steps_s[-1]) - 1
    heard = sounding_per_second(score)[:last]
    wanted = np.interp(np.arange(last) + 0.5, np.linspace(0, form.steps_s[-1], len(curve)), curve)
    assert rank_correlation(heard, wanted) > 0.85
    assert np.abs(heard.mean() - wanted.mean()) < 0.1 * wanted.mean()
    assert np.sqrt(np.mean((heard - wanted) ** 2)) < 3


@pytest.mark.parametrize("density", [1, 3, 6, 10, 14, 20, 26])
def test_a_steady_density_is_met_on_average(density):
    form, _, score = compose(90.0, density=float(density), arousal=0.3)
    heard = sounding_per_second(score)[1 : int(form.steps_s[-1])]
    assert abs(heard.mean() - density) < max(1.0, 0.15 * density)


def test_density_follows_predicted_density_not_loudness():
    counts = {}
    for loudness in (0.03, 0.12, 0.4):
        for density in (4.0, 10.0, 18.0):
            counts[loudness, density] = len(notes_of(compose(density=density, loudness=loudness)[2]))
    for density in (4.0, 10.0, 18.0):
        assert counts[0.03, density] == counts[0.12, density] == counts[0.4, density]
    assert counts[0.12, 4.0] < counts[0.12, 10.0] < counts[0.12, 18.0]


def test_velocity_follows_loudness_and_leaves_every_note_where_it_is():
    scores = [compose(loudness=loudness)[2] for loudness in (0.02, 0.06, 0.17, 0.4)]
    places = [[(n.start_s, n.end_s, n.pitch) for n in notes_of(score)] for score in scores]
    assert places[0] == places[1] == places[2] == places[3]
    means = [np.mean([note.velocity for note in notes_of(score)]) for score in scores]
    assert means == sorted(means) and means[-1] - means[0] > 60


def test_density_does_not_change_how_hard_notes_are_struck():
    means = [np.mean([n.velocity for n in notes_of(compose(density=d, loudness=0.15)[2])]) for d in (4.0, 18.0)]
    assert abs(means[0] - means[1]) < 6


def test_a_crescendo_is_heard_as_one():
    form, _, score = compose(loudness=np.array([0.03, 0.4]))
    phrase = np.searchsorted(form.bars_s, [note.start_s + 1e-6 for note in notes_of(score)]) // 4
    velocities = np.array([note.velocity for note in notes_of(score)])
    assert (np.diff([velocities[phrase == number].mean() for number in np.unique(phrase)]) > 0).all()


def test_velocity_rises_with_loudness_over_its_whole_scale_from_35_to_112():
    velocities = velocity_of(np.linspace(0, 0.57, 200))
    assert (np.diff(velocities) > 0).all()
    assert velocity_of(0.02) == pytest.approx(35) and velocity_of(0.4) == pytest.approx(112)


def test_velocities_are_not_robotic():
    velocities = [note.velocity for note in notes_of(compose()[2])]
    assert len(set(velocities)) > 15


@pytest.mark.parametrize("style", names())
@pytest.mark.parametrize("duration_s", [0.04, 0.3, 1.0, 2.7, 5.0, 33.3])
def test_the_final_chord_is_struck_on_the_last_downbeat_and_held_to_the_end(style, duration_s):
    form, played, score = compose(duration_s, style=load_style(style))
    notes = notes_of(score)
    assert notes and max(note.end_s for note in notes) == form.end_s <= score.duration_s
    assert min(note.start_s for note in notes) < 0.1
    last_s = float(form.bars_s[-1])
    final = [note for note in notes if note.start_s >= last_s - 1e-9]
    assert min(note.start_s for note in final) == last_s
    assert all(note.start_s < last_s + 0.2 and note.end_s == form.end_s for note in final)
    assert len(final) >= 5 and {note.pitch % 12 for note in final} == set(played[-1].pitch_classes)


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_score_sounds_all_and_only_the_pitch_classes_of_each_quality(quality):
    chord = Chord(2, quality)
    _, _, score = compose(20.0, [chord], density=12.0, key=Key.parse("C major"))
    assert {note.pitch % 12 for note in notes_of(score)} == {(2 + interval) % 12 for interval in INTERVALS[quality]}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 156), min_size=2, max_size=9), st.integers(0, 11), st.sampled_from(["major", "minor"]))
def test_each_note_belongs_to_the_chord_of_its_step_transposed_once(ids, tonic, mode):
    key = Key(tonic, mode)
    shift = (tonic - (0 if mode == "major" else 9)) % 12
    form, played, score = compose(24.0, [Chord.from_id(i) for i in ids], density=12.0, key=key)
    assert score.key == key
    harmony = next((c for c in played if c.root is not None), Chord(0, "maj") if mode == "major" else Chord(9, "min"))
    allowed = []
    for chord in played:
        harmony = harmony if chord.root is None else chord
        allowed.append({(harmony.root + interval + shift) % 12 for interval in INTERVALS[harmony.quality]})
    for note in notes_of(score):
        step = int(np.searchsorted(form.steps_s, note.start_s + 1e-9)) - 1
        assert note.pitch % 12 in allowed[step]
        until = int(np.searchsorted(form.steps_s, note.end_s - 0.04)) - 1  # legato may reach over by 30 ms
        assert all(note.pitch % 12 in allowed[later] for later in range(step, until + 1))


def test_a_chord_sounds_in_every_step_at_moderate_density():
    form, _, score = compose(60.0, density=8.0)
    onsets = np.array([note.start_s for note in notes_of(score)])
    for start_s, end_s in zip(form.steps_s, form.step_ends_s, strict=True):
        assert ((onsets >= start_s - 1e-9) & (onsets < end_s)).any()


def test_the_bass_is_on_every_downbeat_and_on_time():
    form, _, score = compose(60.0, density=10.0)
    low = {note.start_s for note in notes_of(score) if note.pitch < 52}
    assert set(form.bars_s.tolist()) <= low


def test_no_chord_carries_the_harmony_on_in_the_bass_alone():
    form, _, score = compose(40.0, [Chord(9, "min"), NO_CHORD], density=9.0)
    for note in notes_of(score):
        step = int(np.searchsorted(form.steps_s, note.start_s + 1e-9)) - 1
        if step % 2 and step < len(form) - 1:
            assert note.pitch % 12 == 9 and note.pitch < 64


def test_nothing_but_no_chord_is_not_silence():
    _, _, score = compose(10.0, [NO_CHORD], key=Key.parse("G major"))
    assert notes_of(score) and {note.pitch % 12 for note in notes_of(score)} == {7, 11, 2}


@pytest.mark.parametrize("style", names())
@pytest.mark.parametrize("density", [3.0, 12.0, 40.0])
def test_every_note_is_within_its_instruments_range_and_no_key_sounds_twice_at_once(style, density):
    style = load_style(style)
    for tonic in (0, 5, 6):
        _, _, score = compose(
            30.0, parse_sequence("C F#:hdim7 Bb:maj7 E:aug"), density, style=style, key=Key(tonic, "major")
        )
        for track, instrument in zip(score.tracks, style.instruments, strict=True):
            assert all(instrument.range[0] <= note.pitch <= instrument.range[1] for note in track.notes)
            for pitch in range(128):
                spans = sorted((n.start_s, n.end_s) for n in track.notes if n.pitch == pitch)
                assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_a_figure_is_kept_for_a_bar_at_least_when_the_density_is_steady():
    form, _, score = compose(60.0, density=10.0, arousal=0.9)
    onsets = np.array([note.start_s for note in notes_of(score)])
    per_bar = np.histogram(onsets, np.append(form.bars_s, form.end_s))[0][:-1]
    assert len(set(per_bar.tolist())) < len(per_bar) / 2


def test_the_pedal_changes_with_every_chord_and_lifts_at_the_end():
    form, _, score = compose(30.0)
    pedals = score.tracks[0].pedals
    lifts = [pedal.time_s for pedal in pedals if not pedal.down]
    assert lifts[:-1] == form.steps_s[1:].tolist() and lifts[-1] == form.end_s
    assert [pedal.time_s for pedal in pedals] == sorted(pedal.time_s for pedal in pedals)
    assert [pedal.down for pedal in pedals] == [True, False] * (len(pedals) // 2)


def test_one_seed_gives_one_score_and_another_seed_another():
    same, again, other = (compose(seed=seed, cuts=[Cut(20.0, 9.0)])[2] for seed in (1, 1, 2))
    assert same == again and same != other


def test_markers_tell_the_cuts_and_the_sections_in_order():
    cuts = [Cut(15.0, 9.0), Cut(31.0, 9.0)]
    form, _, score = compose(60.0, cuts=cuts, markers=[Marker(cut.time_s, "cut") for cut in cuts])
    assert [m.time_s for m in score.markers if m.text == "cut"] == [15.0, 31.0]
    assert [m.time_s for m in score.markers if m.text.startswith("section")] == [s.start_s for s in form.sections]
    assert [m.time_s for m in score.markers] == sorted(m.time_s for m in score.markers)


def test_an_upper_line_sings_where_there_is_room_and_repeats_its_motif():
    form, _, score = compose(60.0, parse_sequence("Am"), density=12.0, arousal=-0.9, cuts=[Cut(30.0, 20.0)])
    top = [(note.start_s, note.pitch) for note in notes_of(score) if note.pitch > 74]
    assert len(top) > 10
    bars = np.append(form.bars_s, form.end_s)
    sung = [tuple(p for s, p in top if a <= s + 1e-6 < b) for a, b in itertools.pairwise(bars)]
    assert sum(one == two != () for one, two in itertools.pairwise(sung)) >= 4
    assert not [n for n in notes_of(compose(60.0, density=3.0)[2])[:-7] if n.pitch > 76]


def test_chords_that_do_not_match_the_form_are_refused():
    form = plan(10.0, [], arousal=0, style=PIANO)
    dynamics = Dynamics(np.ones(3, np.float32), np.ones(3, np.float32))
    with pytest.raises(OptionError, match="3 chords"):
        arrange(LOOP[:3], dynamics, form, PIANO, key=A_MINOR, rng=np.random.default_rng(0))


def test_the_global_random_state_is_left_alone():
    np.random.seed(0)
    random.seed(0)
    expected = (np.random.get_state()[1][:5].tolist(), random.getstate())
    compose()
    assert (np.random.get_state()[1][:5].tolist(), random.getstate()) == expected


def spoken(places, strength=0.5, **wish):
    """A minute with the target at one place of the plane, with the expression that belongs to it and without."""
    steps = len(compose(**wish)[0])
    expression = Expression.of(np.tile(places, (steps, 1)), Pull(strength, strength))
    return compose(**wish)[2], compose(**wish, expression=expression)[2], expression


def lengths_of(score, before_s=55.0):
    return np.median([note.end_s - note.start_s for note in notes_of(score) if note.start_s < before_s])


def pedal_share(score):
    spans = list(itertools.pairwise(pedal.time_s for pedal in score.tracks[0].pedals))
    return sum(end - start for start, end in spans[::2]) / score.duration_s


def test_a_neutral_expression_changes_nothing():
    form, _, score = compose()
    assert compose(expression=Expression.neutral(len(form)))[2] == score


def test_excitement_is_detached_harder_and_drier_and_calm_is_as_written():
    written, excited, _ = spoken((0.0, 0.6))
    assert lengths_of(excited) < 0.8 * lengths_of(written)
    assert np.mean([n.velocity for n in notes_of(excited)]) > np.mean([n.velocity for n in notes_of(written)]) + 2
    assert pedal_share(excited) < 0.85 < 0.9 < pedal_share(written)
    _, calm, _ = spoken((0.0, -0.6))
    assert lengths_of(calm) == pytest.approx(lengths_of(written), rel=0.1)
    assert np.mean([n.velocity for n in notes_of(calm)]) < np.mean([n.velocity for n in notes_of(written)]) - 8


@pytest.mark.parametrize("style", names())
def test_happiness_lifts_all_voices_and_sadness_lowers_them_within_the_instruments_ranges(style):
    style = load_style(style)
    written, happy, _ = spoken((0.8, 0.2), 1.0, style=style, density=9.0)
    _, sad, _ = spoken((-0.8, -0.2), 1.0, style=style, density=9.0)
    pitch = [np.mean([note.pitch for note in notes_of(score)]) for score in (sad, written, happy)]
    assert pitch[0] < pitch[1] - 1 and pitch[1] + 1 < pitch[2]
    for score in (sad, happy):
        for track, instrument in zip(score.tracks, style.instruments, strict=True):
            assert all(instrument.range[0] <= note.pitch <= instrument.range[1] for note in track.notes)


def test_a_register_that_moves_keeps_the_harmony():
    _, happy, _ = spoken((0.8, 0.2), 1.0, chords=parse_sequence("Am F"))
    assert {note.pitch % 12 for note in notes_of(happy)} == {9, 0, 4, 5}


def test_detached_notes_are_struck_more_often_to_reach_the_same_density():
    written, excited, _ = spoken((0.0, 0.6), density=14.0)
    last = 54
    heard = [sounding_per_second(score)[:last].mean() for score in (written, excited)]
    assert heard[1] == pytest.approx(heard[0], rel=0.12)
    assert len(notes_of(excited)) > 1.05 * len(notes_of(written))


def test_the_final_chord_is_held_however_detached_the_rest_is():
    form, _, _ = compose()
    _, excited, _ = spoken((0.0, 1.0), 1.0)
    final = [note for note in notes_of(excited) if note.start_s >= form.steps_s[-1]]
    assert len(final) >= 5 and all(note.end_s == form.end_s for note in final)


@pytest.mark.parametrize("style", names())
def test_every_style_can_play_nine_notes_a_second(style):
    _, excited, _ = spoken((0.6, 0.6), style=load_style(style), density=16.0, arousal=1.0)
    assert len([note for note in notes_of(excited) if note.start_s < 54]) / 54 > 9
