"""Arranging: density drives texture, loudness drives velocity, and the end is where the form says."""

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.arranging import voicing
from video2music.arranging.arrange import arrange
from video2music.arranging.expression import Expression, Guidance
from video2music.arranging.playing import velocity_of
from video2music.chords import INTERVALS, NO_CHORD, QUALITIES, Chord, parse_sequence
from video2music.composing.form import plan
from video2music.errors import OptionError
from video2music.styles import load_style, muted, names
from video2music.values import Cut, Dynamics, Key, Marker, Score

PIANO = load_style("piano")
WITHOUT_MELODY = replace(PIANO, motifs=())  # chord tones and nothing else
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
    """Oracle: for each whole second, how many notes are heard at some time within it, as a transcription counts them.

    Drums are none, and a key that several instruments sound is struck anew by each onset and rings until the last ends.
    """
    counts = np.zeros(math.ceil(score.duration_s))
    for pitch in range(128):
        same = sorted(n for track in score.tracks if not track.drums for n in track.notes if n.pitch == pitch)
        onsets = [n.start_s for i, n in enumerate(same) if not i or n.start_s - same[i - 1].start_s > 0.05]
        for start_s, next_s in itertools.pairwise([*onsets, math.inf]):
            ringing = max(n.end_s for n in same if n.start_s < start_s + 0.05)
            end_s = min(ringing, next_s)
            counts[[start_s < second + 1 and end_s > second for second in range(len(counts))]] += 1
    return counts


def notes_of(score: Score):
    return sorted(note for track in score.tracks for note in track.notes)


def pitched_of(score: Score):
    return sorted(note for track in score.tracks if not track.drums for note in track.notes)


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


def test_a_crescendo_rises_in_velocity():
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
    pitched = [note for note in pitched_of(score) if note.start_s >= last_s - 1e-9]
    assert len(pitched) >= 5 and {note.pitch % 12 for note in pitched} == set(played[-1].pitch_classes)


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_score_sounds_all_and_only_the_pitch_classes_of_each_quality(quality):
    chord = Chord(2, quality)
    _, _, score = compose(20.0, [chord], density=12.0, key=Key.parse("C major"), style=WITHOUT_MELODY)
    assert {note.pitch % 12 for note in notes_of(score)} == {(2 + interval) % 12 for interval in INTERVALS[quality]}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 156), min_size=2, max_size=9), st.integers(0, 11), st.sampled_from(["major", "minor"]))
def test_each_note_belongs_to_the_chord_of_its_step_transposed_once(ids, tonic, mode):
    key = Key(tonic, mode)
    shift = (tonic - (0 if mode == "major" else 9)) % 12
    form, played, score = compose(24.0, [Chord.from_id(i) for i in ids], density=12.0, key=key, style=WITHOUT_MELODY)
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


def test_a_pattern_is_kept_for_a_bar_at_least_when_the_density_is_steady():
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


def test_markers_have_the_cuts_and_the_sections_in_order():
    cuts = [Cut(15.0, 9.0), Cut(31.0, 9.0)]
    form, _, score = compose(60.0, cuts=cuts, markers=[Marker(cut.time_s, "cut") for cut in cuts])
    assert [m.time_s for m in score.markers if m.text == "cut"] == [15.0, 31.0]
    assert [m.time_s for m in score.markers if m.text.startswith("section")] == [s.start_s for s in form.sections]
    assert [m.time_s for m in score.markers] == sorted(m.time_s for m in score.markers)


def test_there_is_a_melody_where_the_density_leaves_room_for_it_and_none_elsewhere():
    _, _, score = compose(60.0, parse_sequence("Am"), density=12.0, arousal=-0.9, cuts=[Cut(30.0, 20.0)])
    assert len([note for note in notes_of(score) if note.pitch > 74]) > 10
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


def spoken(places, strength=0.5, **case):
    """A minute with the target at one place of the plane, with the expression that belongs to it and without."""
    steps = len(compose(**case)[0])
    expression = Expression.of(np.tile(places, (steps, 1)), Guidance(strength, strength))
    return compose(**case)[2], compose(**case, expression=expression)[2], expression


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
    pitch = [np.mean([note.pitch for note in pitched_of(score)]) for score in (sad, written, happy)]
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
    assert len([note for note in pitched_of(excited) if note.start_s < 54]) / 54 > 9


# What holds in every style, whatever is asked of it.
pieces = st.fixed_dictionaries({
    "style": st.sampled_from(names()),
    "chords": st.lists(st.integers(0, 156), min_size=1, max_size=9).map(lambda ids: [Chord.from_id(i) for i in ids]),
    "duration_s": st.floats(0.5, 75),
    "density": st.lists(st.floats(0, 30), min_size=1, max_size=6).map(np.array),
    "loudness": st.lists(st.floats(0, 0.57), min_size=1, max_size=6).map(np.array),
    "arousal": st.floats(-1, 1),
    "key": st.builds(Key, st.integers(0, 11), st.sampled_from(["major", "minor"])),
    "cuts": st.lists(st.builds(Cut, st.floats(0, 75), st.floats(0, 30)), max_size=5),
    "seed": st.integers(0, 99),
    "beats_per_bar": st.integers(2, 7),
})  # fmt: skip


def play(case, **also):
    case = dict(case) | also
    style = case.pop("style")
    style = replace(load_style(style) if isinstance(style, str) else style, beats_per_bar=case.pop("beats_per_bar"))
    return style, *compose(style=style, **case)


@settings(max_examples=40, deadline=None)
@given(pieces)
def test_in_every_style_notes_keep_to_their_instruments_and_to_the_form(case):
    style, form, _, score = play(case)
    final_s = float(form.steps_s[-1])
    assert len(score.tracks) == len(style.instruments)
    for track, instrument in zip(score.tracks, style.instruments, strict=True):
        low, high = instrument.range
        assert all(low <= note.pitch <= high and 1 <= note.velocity <= 127 for note in track.notes)
        assert all(note.end_s <= form.end_s for note in track.notes)
        assert all(note.start_s < final_s + 0.2 for note in track.notes), "nothing is struck after the final chord"
        assert (track.drums, track.pan, track.reverb_send) == (instrument.drums, instrument.pan, instrument.reverb_send)
        for pitch in {note.pitch for note in track.notes}:
            spans = sorted((n.start_s, n.end_s) for n in track.notes if n.pitch == pitch)
            assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
        if track.drums:
            assert all(note.start_s >= form.bars_s[0] - 1e-9 for note in track.notes), "no drums in a pickup"
            assert not [n for n in track.notes if final_s + 1e-9 < n.start_s], "no drums after the final downbeat"


@settings(max_examples=15, deadline=None)
@given(pieces)
def test_in_every_style_one_seed_gives_one_score(case):
    assert play(case)[-1] == play(case)[-1]


@settings(max_examples=30, deadline=None)
@given(pieces)
def test_in_every_style_only_passing_tones_of_melody_and_bass_leave_the_chord_and_they_lead_by_step(case):
    style, form, played, score = play(case, chords=parse_sequence("Am F C G Dm E"))
    shift = case["key"].shift
    allowed = [{(pitch + shift) % 12 for pitch in chord.pitch_classes} for chord in played]
    for track, instrument in zip(score.tracks, style.instruments, strict=True):
        for note in track.notes if not track.drums else ():
            step = int(np.searchsorted(form.steps_s, note.start_s + 1e-9)) - 1
            if note.pitch % 12 not in allowed[step]:
                assert {"melody", "bass", "sub"} & set(instrument.voices)
                after = [n for n in track.notes if abs(n.start_s - note.end_s) < 0.06 and n.start_s > note.start_s]
                folded = [abs(n.pitch - note.pitch) % 12 for n in after]  # a range may put an octave between
                assert any(interval in (1, 2, 3, 9, 10, 11) for interval in folded)


@pytest.mark.parametrize("style", names())
def test_every_instrument_plays_in_a_varied_piece_and_the_opening_is_thinner_than_the_height(style):
    style = load_style(style)
    form, _, score = compose(
        120.0, parse_sequence("C G Am F Dm G C E Am F G C"), np.array([4, 8, 12, 17, 20, 17, 9, 4.0]),
        np.array([0.06, 0.12, 0.18, 0.28, 0.36, 0.3, 0.14, 0.07]), style=style,
        cuts=[Cut(time_s, 9.0) for time_s in (15, 31, 47, 63, 79, 101)],
    )  # fmt: skip
    assert all(track.notes for track in score.tracks), [t.name for t in score.tracks if not t.notes]
    first, height = form.sections[0], form.sections[len(form.sections) // 2]

    def band(section):
        return {
            t.name for t in score.tracks for n in t.notes if section.start_s - 1e-6 <= n.start_s < section.end_s - 0.1
        }

    assert band(first) <= band(height)
    assert len(band(first)) < len(band(height)) or len(style.instruments) == 1


@pytest.mark.parametrize("style", names())
def test_any_instrument_can_be_muted_and_the_rest_plays_on(style):
    style = load_style(style)
    for instrument in style.instruments if len(style.instruments) > 1 else ():
        _, _, score = compose(20.0, style=muted(style, [instrument.name]))
        assert instrument.name not in {track.name for track in score.tracks} and pitched_of(score)
    alone = [i.name for i in style.instruments if not i.drums][:1]
    quartet = muted(style, {i.name for i in style.instruments} - set(alone))
    form, _, score = compose(20.0, style=quartet)
    assert [track.name for track in score.tracks] == alone and max(n.end_s for n in score.tracks[0].notes) == form.end_s


def portrait(style, seed) -> np.ndarray:
    """How a style sounds, in numbers that each run over about one: who plays, how high, long, loud and fast."""
    _, _, score = compose(
        60.0, parse_sequence("C G Am F"), np.array([6, 10, 16, 8.0]), np.array([0.1, 0.2, 0.3, 0.12]), style=style,
        cuts=[Cut(20.0, 9.0), Cut(40.0, 9.0)], seed=seed,
    )  # fmt: skip
    notes = [
        (n.start_s, n.end_s - n.start_s, n.pitch, n.velocity, t.program)
        for t in score.tracks
        if not t.drums
        for n in t.notes
    ]
    _start, length, pitch, velocity, program = np.array(notes, float).T
    families = np.bincount((program // 8).astype(int), length, 16) / length.sum()
    drums = sum(len(t.notes) for t in score.tracks if t.drums) / 400
    tempo = sum(style.tempo) / 200
    return np.array([
        len(score.tracks) / 4, pitch.mean() / 12, pitch.std() / 12, np.median(length), len(notes) / 500, drums,
        velocity.std() / 10, tempo, style.swing * 10, *3 * families,
    ])  # fmt: skip


def test_styles_differ_from_each_other_more_than_seeds_of_one_style_do():
    pieces = {name: [portrait(load_style(name), seed) for seed in range(3)] for name in names()}
    assert len(pieces) >= 8
    within = max(np.linalg.norm(a - b) for same in pieces.values() for a, b in itertools.combinations(same, 2))
    apart = min(
        np.linalg.norm(a - b) for one, other in itertools.combinations(pieces.values(), 2) for a in one for b in other
    )
    assert apart > 3 * within


def test_voicings_are_computed_once_for_each_pair_of_chords_and_not_for_each_step():
    """What keeps arranging fast: the search for voicings is the only part that is more than linear."""
    computed = []
    for duration_s in (60.0, 240.0):
        voicing._transition_cost.cache_clear()
        compose(duration_s, density=14.0, loudness=0.25, style=load_style("strings"), cuts=[Cut(30.0, 9.0)])
        computed.append(voicing._transition_cost.cache_info().misses)
    assert 0 < computed[1] <= 2 * computed[0] < 40
