"""Form and chords as they are shown: sections and bars at their times, every beat's chord, every cut's miss."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video2music.composing.test_chart import classes, composed, drawn_form, planned, sounding_classes
from tests.video2music.studio.views.svg_reading import labelled, marks, read, said, shares, styled
from video2music.studio.views import chords
from video2music.values import Cut, Key

TOLD_MS = re.compile(r"([−+]?)(\d+) ms")


def scored(duration_s=62.3, cuts=((3.3, 9.0), (17.7, 20.0), (33.4, 15.0), (47.0, 12.0)), **options):
    key, seed = options.pop("key", "Eb major"), options.pop("seed", 0)
    form = planned(duration_s, cuts, **options)
    return replace(composed(form, key=key, seed=seed), cuts=tuple(Cut(*cut) for cut in cuts))


def nearest_ms(composition, cut):
    """By how many ms the downbeat nearest to a cut is late, found by trying all."""
    errors = [1000 * (bar_s - cut.time_s) for bar_s in composition.form.bars_s.tolist()]
    return min(errors, key=abs)


def bars_shown(tree):
    """For each bar shown the pitch classes over each of its beats."""
    found = []
    for bar in styled(tree, "bar"):
        beats = [None] * int(re.search(r"repeat\((\d+)", bar.get("style"))[1])
        for chord in bar.iter("span"):
            start, end = (int(number) for number in re.findall(r"\d+", chord.get("style")))
            beats[start - 1 : end - 1] = [classes(chord.text)] * (end - start)
        found.append(beats)
    return found


@settings(deadline=None, max_examples=30)
@given(
    duration_s=st.floats(1, 200),
    cuts=st.lists(st.tuples(st.floats(0.1, 200), st.floats(1, 20)), max_size=12),
    beats=st.integers(2, 7),
    key=st.builds(Key, st.integers(0, 11), st.sampled_from(["major", "minor"])),
    seed=st.integers(0, 99),
)
def test_every_beat_has_the_chord_that_sounds(duration_s, cuts, beats, key, seed):
    composition = scored(duration_s, sorted(cuts), beats=beats, key=str(key), seed=seed)
    shown = [chord for bar in bars_shown(read(chords.view(composition))) for chord in bar]
    wanted = sounding_classes(composition)
    assert shown[: len(wanted)] == wanted
    assert set(map(str, shown[len(wanted) :])) <= {str(wanted[-1])}  # the last bar is shown whole


def test_every_bar_says_when_it_begins_and_which_section_opens():
    composition = composed(drawn_form([4] * 5, pickup=2))  # beats of half a second
    form = composition.form
    (section,) = form.sections
    parts = replace(section, end_s=float(form.bars_s[3])), replace(section, start_s=float(form.bars_s[3]))
    tree = read(chords.view(replace(composition, form=replace(form, sections=parts, tempi=()))))
    heads = [said(bar.find("small")) for bar in styled(tree, "bar")]
    assert heads == ["0:00.0", "A 0:01.0", "0:03.0", "0:05.0", "B 0:07.0", "0:09.0"]
    assert [each.get("class") for each in styled(tree, "bar")].count("bar opens") == 2
    assert styled(tree, "pickup") == styled(tree, "bar")[:1]


def test_sections_bars_and_cuts_stand_at_their_times():
    composition = scored()
    form, tree = composition.form, read(chords.view(scored()))
    lane = labelled(tree, "sections, bars and cuts")
    per_s = 1000 / form.duration_s
    starts = [float(block.get("x")) for block in styled(lane, "section")]
    widths = [float(block.get("width")) for block in styled(lane, "section")]
    assert starts == pytest.approx([section.start_s * per_s for section in form.sections], abs=0.06)
    ends = [start + width for start, width in zip(starts, widths, strict=True)]
    assert ends == pytest.approx([section.end_s * per_s for section in form.sections], abs=0.11)
    assert marks(styled(lane, "bars")[0]) == pytest.approx(form.bars_s * per_s, abs=0.06)
    assert marks(styled(lane, "cut")[0]) == pytest.approx([cut.time_s * per_s for cut in composition.cuts], abs=0.06)
    roomy = [n for n, section in enumerate(form.sections) if section.end_s - section.start_s >= 0.05 * 62.3]
    assert [each.text for each in styled(tree, "letter")] == ["ABCDEFGH"[n] for n in roomy] and len(roomy) >= 3


def milliseconds(text):
    sign, number = TOLD_MS.search(text).groups()
    return -int(number) if sign == "−" else int(number)


def test_every_miss_is_the_distance_to_the_nearest_bar_line():
    cuts = ((3.3, 9.0), (4.4, 1.0), (12.1, 1.0), (20.0, 4.0), (33.3, 15.0), (34.9, 1.0), (47.1, 2.0))
    composition = scored(cuts=cuts)
    tree = read(chords.view(composition))
    wanted = {cut.time_s: nearest_ms(composition, cut) for cut in composition.cuts}
    told = labelled(tree, "cut at")
    assert [milliseconds(text) for text in told.get("aria-label").split(", ")] == pytest.approx(
        list(wanted.values()), abs=0.51
    )
    places = [time_s for share in shares(list(told)) for time_s in wanted if abs(time_s / 62.3 - share) < 1e-4]
    assert len(places) == len(told) >= 4
    assert [milliseconds(each.text) for each in told] == pytest.approx([wanted[place] for place in places], abs=0.51)
    met = sum(abs(error) <= 80 for error in wanted.values())
    assert f"Cuts within 80 ms of a bar line: {met} of 7; the farthest" in said(tree) and 0 < met < 7


def test_a_cut_is_drawn_into_the_bar_that_it_falls_into():
    composition = composed(drawn_form([4] * 4))  # bars of 2 s
    composition = replace(composition, cuts=(Cut(2.5, 5.0),))
    composition = replace(composition, form=replace(composition.form, cut_errors_ms=(-500.0,)))
    tree = read(chords.view(composition))
    cut = [bar.find("i") for bar in styled(tree, "bar")]
    assert [each is not None for each in cut] == [False, True, False, False]
    assert shares([cut[1]]) == [0.25] and cut[1].get("title") == "cut at 0:02.5, bar line −500 ms"
    assert "Cuts within 80 ms of a bar line: 0 of 1; the farthest from one, at 0:02.5, is 500 ms off." in said(tree)


def test_a_clip_without_cuts_and_one_under_a_bar():
    for duration_s in (30.0, 0.7):
        text = said(read(chords.view(scored(duration_s, ()))))
        assert "The clip has no cuts to align with." in text and "Eb major" in text


def test_the_size_is_told():
    composition = scored()
    form = composition.form
    text = chords.summary(composition)
    assert f"{len(form.bars_s)} bars in {len(form.sections)} sections" in text
    low, high = (round(each([tempo.bpm for tempo in form.tempi])) for each in (np.min, np.max))
    assert f"{low} to {high} beats per minute" in text if high > low else f"{low} beats a minute" in text


def test_an_hour_stays_small():
    cuts = [(float(time_s), 5.0) for time_s in range(7, 3600, 7)]
    assert len(chords.view(scored(3600.0, cuts))) < 900_000
