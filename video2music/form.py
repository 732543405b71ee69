"""Form: tempo and bar grid fitted to the cuts, sections, ending.

Strong cuts become section starts, and each section's tempo is bent a little so that a whole number of bars lies between
two of them: those cuts fall on a downbeat exactly. Which cuts, and around which tempo, is the path of greatest worth
through the cuts: a cut on a downbeat earns its weight, bending the tempo costs with the square of the bend.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from video2music.errors import OptionError
from video2music.styles import Style
from video2music.values import Cut, Form, Section

LONGEST_TAIL_S = 2.0  # ring-out after the last bar; shorter clips keep TAIL_SHARE of their length
TAIL_SHARE = 0.1
TAIL_SLACK = 0.25  # the tail may be this much shorter or longer, so that the last bar fits
CUT_SPACING_S = 4.0  # of cuts closer than this the stronger counts
SECTION_S = 8.0  # sections last at least this long, or a quarter of a short clip; the first and the last may be short
HALF_WEIGHT = 3.0  # strength at which a cut weighs one half; also the usual threshold of the adaptive detector
MOST_BEND = 0.08  # largest bend of a section's tempo
BEND_COST = 0.4  # what the largest bend costs; a cut on a downbeat earns its weight, at most 1
TEMPO_REACH = 0.16  # the base tempo may lie this far from the one the arousal asks for
TEMPO_COST = 0.4  # what going that far costs, for each four cuts
STEP_COST = 2.0  # what a chord of half or twice a second costs, with the square of the octaves; likewise
NEAR_S = 0.06  # a cut this far from its downbeat earns .6 of its weight
LOOK_BACK = 10  # how many cuts back a section may start
LONG_SECTION_BARS = 24  # longer sections are divided into parts of about 16 bars


def plan(duration_s: float, cuts: Sequence[Cut], *, arousal: float, style: Style, hits: Sequence[float] = ()) -> Form:
    """The grid for a clip of `duration_s` seconds, with cuts on downbeats where that is worth its price.

    `hits` are times in s that count as the strongest cuts; `arousal` sets the tempo: -1..1 is the style's range, and
    what goes beyond leads out of it. The music starts at 0, on a pickup where the first bar starts later. A chord lasts
    the number of beats nearest to one second that divides the bar; the last bar holds one chord. The tail after end_s
    is 2 s, of clips below 20 s a tenth, give or take a quarter. Raises OptionError.
    """
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise OptionError(f"a clip of {duration_s} s cannot be scored: its length must be above 0 s")
    marks = _worthy(duration_s, cuts, hits)
    slowest, fastest = style.tempo
    wanted = (slowest + fastest) / 2 + arousal * (fastest - slowest) / 2
    reach = np.linspace(-TEMPO_REACH, TEMPO_REACH, 25 if len(marks) < 150 else 9)
    paths = [
        _best_path(duration_s, marks, _Metre.at(wanted * (1 + float(bend)), style.beats_per_bar)) for bend in reach
    ]
    costs = [
        TEMPO_COST * (bend / TEMPO_REACH) ** 2 + STEP_COST * np.log2(path.metre.step_s) ** 2
        for bend, path in zip(reach, paths, strict=True)
    ]
    share = max(1.0, len(marks) / 4)  # or the many cuts of a long clip would drive the tempo anywhere
    best = paths[int(np.argmax([path.worth - share * cost for path, cost in zip(paths, costs, strict=True)]))]
    return _form(duration_s, best, [cut.time_s for cut in cuts])


@dataclass(frozen=True)
class _Metre:
    """Length of a beat in seconds before any bend, beats in a bar, and beats that one chord lasts."""

    beat_s: float
    bar_beats: int
    step_beats: int

    @classmethod
    def at(cls, tempo: float, bar_beats: int) -> "_Metre":
        beat_s = 60 / tempo
        divisors = [beats for beats in range(1, bar_beats + 1) if bar_beats % beats == 0]
        return cls(beat_s, bar_beats, min(divisors, key=lambda beats: abs(beats * beat_s - 1)))

    @property
    def bar_s(self) -> float:
        return self.beat_s * self.bar_beats

    @property
    def step_s(self) -> float:
        return self.beat_s * self.step_beats


@dataclass(frozen=True)
class _Stretch:
    """Music of one tempo: from, to, beats in it. The last beats of the first stretch lead up to a downbeat."""

    start_s: float
    end_s: float
    beats: int
    bend: float

    @property
    def worth(self) -> float:
        return -BEND_COST * (self.bend / MOST_BEND) ** 2


@dataclass(frozen=True)
class _Path:
    worth: float
    stretches: tuple[_Stretch, ...]
    metre: _Metre


def _worthy(duration_s: float, cuts: Sequence[Cut], hits: Sequence[float]) -> list[tuple[float, float]]:
    """Times and weights 0..1 of the cuts that count, in order: inside the clip, and none stronger within 4 s."""
    weighed = [(cut.time_s, cut.strength / (cut.strength + HALF_WEIGHT)) for cut in cuts if cut.strength > 0]
    weighed += [(float(hit), 1.0) for hit in hits]
    kept = np.zeros((0, 2))
    inside = [mark for mark in weighed if 0 < mark[0] < duration_s]
    for mark in sorted(inside, key=lambda mark: (-mark[1], mark[0])):
        if not len(kept) or np.abs(kept[:, 0] - mark[0]).min() >= CUT_SPACING_S:
            kept = np.vstack([kept, mark])
    return [(float(time_s), float(weight)) for time_s, weight in kept[np.argsort(kept[:, 0])]]


def _best_path(duration_s: float, marks: list[tuple[float, float]], metre: _Metre) -> _Path:
    """The stretches of greatest worth from 0 to the end, by dynamic programming over the cuts."""
    shortest = min(SECTION_S, duration_s / 4)
    reached: list[tuple[float, int, _Stretch] | None] = []  # worth, cut before (-1: the start), stretch in between
    for index, (time_s, weight) in enumerate(marks):
        options = []
        for before in range(max(-1, index - LOOK_BACK), index):
            stretch = _opening(time_s, metre) if before < 0 else _between(marks[before][0], time_s, metre, shortest)
            so_far = 0.0 if before < 0 else _worth(reached[before])
            if stretch and so_far > -np.inf:
                inner = _inner_worth(stretch, marks[before + 1 : index], metre)
                options.append((so_far + stretch.worth + inner + weight, before, stretch))
        reached.append(max(options, key=lambda option: option[0]) if options else None)
    return _ended(duration_s, marks, metre, reached)


def _worth(reached: tuple[float, int, _Stretch] | None) -> float:
    return reached[0] if reached else -np.inf


def _ended(duration_s: float, marks: list, metre: _Metre, reached: list) -> _Path:
    """The best way to the end, from the start or from one of the last cuts, followed back to the start."""
    ending = _ending(0.0, duration_s, metre)
    assert ending is not None
    best = (ending.worth + _inner_worth(ending, marks, metre), -1, ending)
    for last in range(max(0, len(marks) - LOOK_BACK), len(marks)):
        stretch = _ending(marks[last][0], duration_s, metre) if reached[last] else None
        if stretch:
            worth = reached[last][0] + stretch.worth + _inner_worth(stretch, marks[last + 1 :], metre)
            best = max(best, (worth, last, stretch), key=lambda option: option[0])
    worth, before, stretch = best
    stretches = [stretch]
    while before >= 0:
        _, before, stretch = reached[before]
        stretches.append(stretch)
    return _Path(worth, tuple(reversed(stretches)), metre)


def _opening(end_s: float, metre: _Metre) -> _Stretch | None:
    """From 0 to the first cut, a bar or more: whole chords if the tempo can bend that far, else whole beats."""
    for unit in (metre.step_beats, 1):
        beats = max(1, round(end_s / (metre.beat_s * unit))) * unit
        bend = end_s / (beats * metre.beat_s) - 1
        if beats >= metre.bar_beats and abs(bend) <= MOST_BEND:
            return _Stretch(0.0, end_s, beats, bend)
    return None


def _between(start_s: float, end_s: float, metre: _Metre, shortest_s: float) -> _Stretch | None:
    """From one cut to another: whole bars, or nothing if that bends the tempo too far."""
    bars = max(1, round((end_s - start_s) / metre.bar_s))
    bend = (end_s - start_s) / (bars * metre.bar_s) - 1
    if end_s - start_s < shortest_s or abs(bend) > MOST_BEND:
        return None
    return _Stretch(start_s, end_s, bars * metre.bar_beats, bend)


def _ending(start_s: float, duration_s: float, metre: _Metre) -> _Stretch | None:
    """From the last section start to the end of the last bar; from 0 there always is one."""
    tail = min(LONGEST_TAIL_S, TAIL_SHARE * duration_s)
    room_s = duration_s - start_s - tail
    few = room_s < 4 * metre.bar_s and not start_s  # a short clip may open with a pickup
    unit = metre.step_beats if few else metre.bar_beats
    beats = max(metre.bar_beats, round(room_s / (unit * metre.beat_s)) * unit)
    end_s = start_s + float(np.clip(beats * metre.beat_s, room_s - TAIL_SLACK * tail, room_s + TAIL_SLACK * tail))
    bend = (end_s - start_s) / (beats * metre.beat_s) - 1
    if start_s and abs(bend) > MOST_BEND:
        return None
    return _Stretch(start_s, end_s, beats, bend)


def _inner_worth(stretch: _Stretch, inner: list[tuple[float, float]], metre: _Metre) -> float:
    """What the cuts inside a stretch earn by lying near a downbeat; they count half, for they start no section."""
    bar_s = (stretch.end_s - stretch.start_s) / stretch.beats * metre.bar_beats
    worth = 0.0
    for time_s, weight in inner:
        off_s = (stretch.end_s - time_s + bar_s / 2) % bar_s - bar_s / 2
        if abs(off_s) < 4 * NEAR_S:
            worth += 0.5 * weight * float(np.exp(-0.5 * (off_s / NEAR_S) ** 2))
    return worth


def _form(duration_s: float, path: _Path, cut_times: list[float]) -> Form:
    metre, last = path.metre, path.stretches[-1]
    if len(path.stretches) == 1 and last.end_s < 0.75 * metre.bar_s:
        return _one_chord(duration_s, last.end_s, metre, cut_times)
    beats = np.concatenate([_onsets(stretch) for stretch in path.stretches])
    pickup = path.stretches[0].beats % metre.bar_beats
    in_bar = (np.arange(len(beats)) - pickup) % metre.bar_beats
    downbeat, struck = in_bar == 0, in_bar % metre.step_beats == 0
    struck[0] = True
    struck[-metre.bar_beats + 1 :] = False  # the last bar holds one chord
    bars = beats[downbeat]
    sections = _sections(path, float(beats[pickup]), metre)
    return Form(duration_s, last.end_s, beats, bars, beats[struck], sections, cut_errors_ms=_errors_ms(cut_times, bars))


def _one_chord(duration_s: float, end_s: float, metre: _Metre, cut_times: list[float]) -> Form:
    """A clip too short for a bar: one chord, and the tempo stays."""
    beats = np.arange(0, end_s, metre.beat_s)
    onset = np.zeros(1)
    sections = (Section(0.0, end_s, 60 / metre.beat_s),)
    return Form(duration_s, end_s, beats, onset, onset, sections, cut_errors_ms=_errors_ms(cut_times, onset))


def _onsets(stretch: _Stretch) -> NDArray[np.float64]:
    return np.linspace(stretch.start_s, stretch.end_s, stretch.beats, endpoint=False)


def _sections(path: _Path, first_bar_s: float, metre: _Metre) -> tuple[Section, ...]:
    """One section a stretch, long ones in parts of a multiple of eight bars; the first starts with the first bar."""
    sections = []
    for stretch in path.stretches:
        start_s = max(stretch.start_s, first_bar_s)
        beat_s = (stretch.end_s - stretch.start_s) / stretch.beats
        bars = stretch.beats // metre.bar_beats
        parts = max(1, round(bars / 16)) if bars > LONG_SECTION_BARS else 1
        edges = [start_s + 8 * round(part * bars / parts / 8) * metre.bar_beats * beat_s for part in range(parts)]
        for left, right in zip(edges, [*edges[1:], stretch.end_s], strict=True):
            sections.append(Section(left, right, 60 / beat_s))
    return tuple(sections)


def _errors_ms(cut_times: list[float], bars_s: NDArray[np.float64]) -> tuple[float, ...]:
    """How late the nearest downbeat is for each cut, in ms."""
    after = np.clip(np.searchsorted(bars_s, cut_times), 1, max(1, len(bars_s) - 1))
    near = np.stack([bars_s[after - 1], bars_s[np.minimum(after, len(bars_s) - 1)]]) - np.array(cut_times)
    nearest = near[np.abs(near).argmin(0), np.arange(len(cut_times))]
    return tuple(round(float(error) * 1000, 3) for error in nearest)
