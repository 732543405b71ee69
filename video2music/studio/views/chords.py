"""The form and the chord chart: sections, bars and chords in the sounding key, and how far cuts miss the bar lines."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from emotion.svg import clock, exact, markup
from video2music.composing import chart
from video2music.composing.chart import Bar
from video2music.composing.composition import Composition
from video2music.composing.form import MET_S
from video2music.studio.text import counted
from video2music.studio.views import timeline
from video2music.studio.views.timeline import HEIGHT, across, label
from video2music.values import Form, Key

BARS_TOP = 62  # in a lane: sections stand above, bar lines below
LEAST_SHARE = 0.05  # of the width, for a section's letter to have room

STYLE = """
.v2m .section { fill: currentColor; fill-opacity: .1; } .v2m .section.other { fill-opacity: .2; }
.v2m .bars { stroke: var(--soft); stroke-width: 1; stroke-opacity: .6; fill: none; }
.v2m .lane i.letter { top: .35em; padding-left: 6px; font-size: 12px; font-weight: 600; }
.v2m .misses { height: 1em; } .v2m .lane.misses i { color: var(--cut); }
.v2m .chart { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.4em, 1fr)); gap: .6em 0;
  max-height: 32em; overflow-y: auto; }
.v2m .bar { position: relative; display: grid; align-content: start; gap: 1px 2px; padding: 0 4px .35em 8px;
  border-left: 1.5px solid var(--soft); overflow: hidden; }
.v2m .bar.pickup { border-left-style: dotted; } .v2m .bar.opens { border-left: 4px double currentColor; }
.v2m .bar small { grid-column: 1 / -1; font-size: 11px; color: var(--soft); } .v2m .bar small b { margin-right: 4px; }
.v2m .bar span { font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
@container (max-width: 480px) { .v2m .bar span { font-size: 12px; letter-spacing: -.03em; } }
.v2m .bar i { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--cut); }
"""


class Miss(NamedTuple):
    """A cut in s, and by how many ms its nearest downbeat is late; early below 0."""

    cut_s: float
    late_ms: float

    @property
    def met(self) -> bool:
        """Whether the two are perceived as simultaneous."""
        return abs(self.late_ms) <= 1000 * MET_S


def view(composition: Composition) -> str:
    """HTML of sections, bars and cuts over time, and the chords bar by bar as a lead sheet has them."""
    form, found = composition.form, misses(composition)
    marks = timeline.cut_marks((cut.time_s for cut in composition.cuts), form.duration_s)
    entries = [("cut", "cut, and by how many ms the nearest bar line comes early (−) or late (+)")] if found else []
    return timeline.view(
        "form and chords",
        timeline.sentence(summary(composition)),
        timeline.legend(*entries),
        timeline.lanes(form.duration_s, _grid(form, marks), _missed(found, form.duration_s)),
        _lead_sheet(chart.bars(composition), composition.key, found),
        style=STYLE,
    )


def misses(composition: Composition) -> list[Miss]:
    """Every cut with its distance from the nearest downbeat."""
    return [
        Miss(cut.time_s, late_ms)
        for cut, late_ms in zip(composition.cuts, composition.form.cut_errors_ms, strict=False)
    ]


def summary(composition: Composition) -> str:
    """Key, tempo, size and how well bar lines meet the cuts, as plain text."""
    form, bpm = composition.form, [tempo.bpm for tempo in composition.form.tempi]
    tempo = f"{min(bpm):.0f}" if max(bpm) - min(bpm) < 0.5 else f"{min(bpm):.0f} to {max(bpm):.0f}"
    size = f"{counted(len(form.bars_s), 'bar')} in {counted(len(form.sections), 'section')}"
    return f"{composition.key}, {tempo} beats per minute, {size}, {clock(form.duration_s)}. {_met(misses(composition))}"


def _met(found: Sequence[Miss]) -> str:
    if not found:
        return "The clip has no cuts to align with."
    met, worst = sum(one.met for one in found), max(found, key=lambda one: abs(one.late_ms))
    line = f"Cuts within {1000 * MET_S:.0f} ms of a bar line: {met} of {len(found)}"
    if round(abs(worst.late_ms)) == 0:
        return f"{line}."
    farthest = f"the farthest from one, at {exact(worst.cut_s)}, is {abs(worst.late_ms):.0f} ms off"
    return f"{line}; {farthest}. Where cuts are close together, the music follows the strongest."


def _grid(form: Form, marks: str) -> str:
    """Sections as blocks with their letters, bar lines below them, cuts through both."""
    blocks = [
        f'<rect class="section{" other" * (number % 2)}" x="{across(section.start_s, form.duration_s):.1f}" y="0" '
        f'width="{across(section.end_s - section.start_s, form.duration_s):.1f}" height="{BARS_TOP - 8}"/>'
        for number, section in enumerate(form.sections)
    ]
    bars = "".join(f"M{across(start_s, form.duration_s):.1f} {BARS_TOP}V{HEIGHT}" for start_s in form.bars_s.tolist())
    letters = [
        label(section.start_s / form.duration_s, chart.letter(number), "letter")
        for number, section in enumerate(form.sections)
        if section.end_s - section.start_s >= LEAST_SHARE * form.duration_s
    ]
    title = "sections, bars and cuts over time"
    return timeline.lane(title, [*blocks, f'<path class="bars" d="{bars}"/>', marks], height_em=4, beside=letters)


def _missed(found: Sequence[Miss], lasting_s: float) -> str:
    """By how many ms bar lines miss the cuts, the worst first where there is no room for all."""
    if not found:
        return ""
    ranked = sorted(found, key=lambda one: -abs(one.late_ms))
    kept = timeline.with_room([one.cut_s / lasting_s for one in ranked])
    labels = "".join(label(ranked[place].cut_s / lasting_s, milliseconds(ranked[place].late_ms)) for place in kept)
    title = timeline.listed([f"cut at {exact(one.cut_s)}: {milliseconds(one.late_ms)}" for one in found])
    return f'<div class="lane misses" role="img" aria-label="{markup(title)}">{labels}</div>'


def milliseconds(late_ms: float) -> str:
    """A signed time in whole ms."""
    whole = round(late_ms)
    return f"{'−' if whole < 0 else '+' if whole else ''}{abs(whole)} ms"


def _lead_sheet(bars: Sequence[Bar], key: Key, found: Sequence[Miss]) -> str:
    cells = [_cell(bar, key, strokes) for bar, strokes in zip(bars, _strokes(bars, found), strict=True)]
    return f'<div class="chart" role="group" aria-label="chords, bar by bar">{"".join(cells)}</div>'


def _cell(bar: Bar, key: Key, strokes: str) -> str:
    """A bar: when it begins, each chord as wide as its beats, and strokes at the cuts that fall into it."""
    beats = [*(beat for beat, _ in bar.chords), bar.beats]
    chords = "".join(
        f'<span style="grid-column:{start + 1}/{end + 1}">{markup(chart.symbol(chord, flats=key.flats))}</span>'
        for (start, end), (_, chord) in zip(pairwise(beats), bar.chords, strict=True)
    )
    kind = "bar pickup" if not bar.number else "bar" if bar.section is None else "bar opens"
    letter = "" if bar.section is None else f"<b>{chart.letter(bar.section)}</b>"
    columns = f"grid-template-columns:repeat({bar.beats},minmax(0,1fr))"
    head = f"<small>{letter}{exact(bar.start_s)}</small>"
    return f'<div class="{kind}" style="{columns}">{head}{chords}{strokes}</div>'


def _strokes(bars: Sequence[Bar], found: Sequence[Miss]) -> list[str]:
    """For each bar a stroke at each cut that falls into it; the last bar, whose end is open, has them at its start."""
    edges_s = [*(bar.start_s for bar in bars), float("inf")]
    strokes = [""] * len(bars)
    for one in found:
        place = max(bisect_right(edges_s, one.cut_s) - 1, 0)
        share = (one.cut_s - edges_s[place]) / (edges_s[place + 1] - edges_s[place])
        title = f"cut at {exact(one.cut_s)}, bar line {milliseconds(one.late_ms)}"
        strokes[place] += f'<i style="left:{100 * share:.1f}%" title="{markup(title)}"></i>'
    return strokes
