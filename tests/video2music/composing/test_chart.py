"""Chord charts: music21 reads the bars, chords and tempi that the composition has, and so does a reader of the text."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.values import AffectCurve
from video2music.arranging.expression import Guidance
from video2music.chords import INTERVALS, QUALITIES, Chord
from video2music.composing import chart
from video2music.composing.composition import Composition
from video2music.composing.form import plan
from video2music.errors import MediaError
from video2music.styles import load_style
from video2music.values import Cut, Dynamics, Form, Key, Section

CUTS = ((3.3, 9.0), (17.7, 20.0), (33.4, 15.0), (47.0, 12.0))
SUFFIXES = {
    "": "maj", "dim": "dim", "sus4": "sus4", "m7": "min7", "m": "min", "sus2": "sus2", "aug": "aug", "dim7": "dim7",
    "6": "maj6", "m7b5": "hdim7", "7": "7", "m6": "min6", "maj7": "maj7",
}  # fmt: skip


def composed(form, *, key="Eb major", seed=0, ids=range(157)):
    steps = len(form)
    drawn = np.random.default_rng(seed).choice(list(ids), steps)
    rows = np.full(steps, 0.1, np.float32)
    picture = AffectCurve(np.zeros(4), np.zeros(4), "picture")
    chords = tuple(Chord.from_id(int(number)) for number in drawn)
    return Composition(
        Key.parse(key), form, chords, Dynamics(rows, rows), picture, (), "color", {}, "", seed, Guidance(0.0, 0.0)
    )


def planned(duration_s=62.3, cuts=CUTS, *, beats=4, arousal=0.1):
    style = replace(load_style("piano"), beats_per_bar=beats)
    return plan(duration_s, [Cut(*cut) for cut in cuts], arousal=arousal, style=style)


def drawn_form(bar_lengths, *, pickup=0, beat_s=0.5, step=2):
    """Bars of any lengths at one tempo; a chord enters on the first beat of each and every `step` beats."""
    beats_s = np.arange(pickup + sum(bar_lengths)) * beat_s
    heads = pickup + np.cumsum([0, *bar_lengths[:-1]])
    struck = {0} | {int(h) + b for h, n in zip(heads, bar_lengths, strict=True) for b in range(0, n, step)}
    end_s = len(beats_s) * beat_s
    section = Section(float(beats_s[heads[0]]), end_s, 60 / beat_s)
    return Form(end_s + 1, end_s, beats_s, beats_s[heads], beats_s[sorted(struck)], (section,))


def sounding_classes(composition):
    """The pitch classes of the chord of every beat, found beat by beat."""
    form, found = composition.form, []
    for beat_s in form.beats_s:
        step = max([n for n, start_s in enumerate(form.steps_s) if start_s <= beat_s + 1e-6], default=0)
        chord = composition.chords[step]
        found.append({(pitch + composition.key.shift) % 12 for pitch in chord.pitch_classes})
    return found


def read(composition, folder):
    music21 = pytest.importorskip("music21")
    path = chart.musicxml(composition, folder / "chart.musicxml", title="a clip")
    return music21.converter.parse(path).parts[0]


def chords_by_beat(part):
    """What music21 finds over each beat of each measure, as pitch classes."""
    from music21 import harmony

    found = []
    for measure in part.getElementsByClass("Measure"):
        symbols = {float(each.offset): each for each in measure.getElementsByClass(harmony.ChordSymbol)}
        current = symbols[0.0]
        for beat in range(round(measure.highestTime)):
            current = symbols.get(float(beat), current)
            none = isinstance(current, harmony.NoChord)
            found.append(set() if none else {pitch.pitchClass for pitch in current.pitches})
    return found


@pytest.mark.parametrize(
    "form",
    [planned(), planned(beats=3), planned(8.0, ()), planned(0.7, ()), drawn_form([4, 4, 2, 4, 4], pickup=3)],
    ids=["four", "three", "short", "under a bar", "a 2/4 and a pickup"],
)
@pytest.mark.parametrize("key", ["Eb major", "F# minor", "C major"])
def test_music21_hears_the_chord_of_every_beat(tmp_path, form, key):
    composition = composed(form, key=key)
    part = read(composition, tmp_path)
    found, wanted = chords_by_beat(part), sounding_classes(composition)
    assert len(found) >= len(wanted)  # the last bar is written whole
    assert found == wanted + [wanted[-1]] * (len(found) - len(wanted))


def test_every_quality_on_every_root_is_read_as_what_it_is(tmp_path):
    form = drawn_form([4] * 40, step=1)
    composition = composed(form, key="C major")
    composition = replace(composition, chords=tuple(Chord.from_id(number % 157) for number in range(160)))
    assert chords_by_beat(read(composition, tmp_path)) == sounding_classes(composition)


def test_measures_are_as_long_as_the_bars(tmp_path):
    part = read(composed(drawn_form([4, 4, 2, 3, 4, 4], pickup=1)), tmp_path)
    measures = list(part.getElementsByClass("Measure"))
    assert [measure.number for measure in measures] == [0, 1, 2, 3, 4, 5, 6]
    assert [measure.highestTime for measure in measures] == [1, 4, 4, 2, 3, 4, 4]
    assert [m.timeSignature.ratioString for m in measures if m.timeSignature] == ["4/4", "2/4", "3/4", "4/4"]


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_the_signature_is_that_of_the_key(tmp_path, tonic, mode):
    from music21 import key as keys
    from music21 import pitch

    key = Key(tonic, mode)
    found = read(composed(drawn_form([4, 4]), key=str(key)), tmp_path).recurse().getElementsByClass(keys.Key).first()
    assert (found.tonic.pitchClass, found.mode) == (tonic, mode)
    name = str(key).split()[0].replace("b", "-")
    assert found.sharps == keys.Key(pitch.Pitch(name).name, mode).sharps


def test_sections_and_tempi_stand_where_the_form_has_them(tmp_path):
    from music21 import expressions, tempo

    form = planned()
    part = read(composed(form), tmp_path)
    pickup = np.searchsorted(form.beats_s, form.bars_s[0] - 1e-6)
    marks = [(m.content, part.elementOffset(m.activeSite)) for m in part.recurse(classFilter=expressions.RehearsalMark)]
    offset_of = {float(bar_s): float(np.searchsorted(form.beats_s, bar_s - 1e-6)) for bar_s in form.bars_s}
    assert marks == [("ABCDEFGH"[n], offset_of[section.start_s]) for n, section in enumerate(form.sections)]
    assert len(marks) >= 3
    marked = part.recurse().getElementsByClass(tempo.MetronomeMark)
    shown = {float(part.elementOffset(mark.activeSite)): mark.number for mark in marked}
    for bar, beat in zip(form.bars_s, np.searchsorted(form.beats_s, form.bars_s - 1e-6), strict=True):
        at = max(offset for offset in shown if offset <= beat)
        playing = [each.bpm for each in form.tempi if each.start_s <= bar + 1e-6][-1]
        assert shown[at] == pytest.approx(playing, abs=0.06)
    assert pickup == round(part.getElementsByClass("Measure").first().highestTime) or not pickup


def test_the_same_composition_gives_the_same_bytes(tmp_path):
    one = chart.musicxml(composed(planned()), tmp_path / "one.musicxml", title="x").read_bytes()
    assert chart.musicxml(composed(planned()), tmp_path / "two.musicxml", title="x").read_bytes() == one
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.musicxml", "two.musicxml"]


def test_a_title_may_hold_any_signs(tmp_path):
    from xml.etree import ElementTree

    path = chart.musicxml(composed(planned()), tmp_path / "a.musicxml", title="é <&> \x01\udcff\n!")
    assert ElementTree.parse(path).findtext("work/work-title") == "é <&> !"


def test_a_chart_that_cannot_be_written_is_told_of(tmp_path):
    with pytest.raises(MediaError, match="chord chart a"):
        chart.musicxml(composed(planned()), tmp_path / "none" / "a.musicxml")


ROW = re.compile(r" *(\d+):(\d\d\.\d) +(?:([\d.]+) bpm)? *\| (.*) \|")
SHOWN = re.compile(r"([A-G][#b]?)(.*)")


def parsed(text):
    """The bars of a text chart: time of the row's first bar or None, beats' words, whether a metre is named."""
    found = []
    for row in filter(None, map(ROW.fullmatch, text.splitlines())):
        start_s = 60 * int(row[1]) + float(row[2])
        for place, cell in enumerate(row[4].split("|")):
            metre, _, words = cell.rpartition(":")
            found.append((None if place else start_s, words.strip(" ()").split(), metre.strip()))
    return found


def classes(word):
    if word == "N.C.":
        return set()
    root, suffix = SHOWN.fullmatch(word).groups()
    return {(Chord.parse(root).root + interval) % 12 for interval in INTERVALS[SUFFIXES[suffix]]}


@settings(deadline=None, max_examples=40)
@given(
    duration_s=st.floats(1, 200),
    cuts=st.lists(st.tuples(st.floats(0.1, 200), st.floats(1, 20)), max_size=12),
    beats=st.integers(2, 7),
    key=st.builds(Key, st.integers(0, 11), st.sampled_from(["major", "minor"])),
    seed=st.integers(0, 99),
)
def test_a_reader_of_the_text_plays_the_same_chords(duration_s, cuts, beats, key, seed):
    form = planned(duration_s, sorted(cuts), beats=beats)
    composition = composed(form, key=str(key), seed=seed)
    found = parsed(chart.text(composition))
    played, sounding = [], None
    for _, words, _ in found:
        assert words[0] != "/"
        for word in words:
            sounding = sounding if word == "/" else classes(word)
            played.append(sounding)
    wanted = sounding_classes(composition)
    assert played[: len(wanted)] == wanted and len(played) - len(wanted) < beats
    starts_s = [*([0.0] if form.bars_s[0] > 1e-6 else []), *form.bars_s]
    assert len(found) == len(starts_s)
    for (told_s, _, _), start_s in zip(found, starts_s, strict=True):
        assert told_s is None or told_s == pytest.approx(start_s, abs=0.051)


def test_a_bar_of_another_metre_and_a_pickup_are_told():
    found = chart.text(composed(drawn_form([4, 2, 4, 4], pickup=1), key="C major", ids=[1]))
    assert found == (
        "C major, 4/4, 0:08.5\n\nA\n 0:00.0   120 bpm | (C)      | C / / /  | 2/4: C / | C / / /  |\n"
        " 0:05.5           | C / / /  |\n"
    )


def test_sections_go_on_after_the_alphabet():
    assert [chart.letter(number) for number in (0, 25, 26, 53)] == ["A", "Z", "A2", "B3"]


def test_symbols_are_spelt_as_the_key_is():
    assert {quality: chart.symbol(Chord(10, quality), flats=True) for quality in QUALITIES} == {
        quality: f"Bb{suffix}" for suffix, quality in SUFFIXES.items()
    }
    assert chart.symbol(Chord(10, "min"), flats=False) == "A#m"
