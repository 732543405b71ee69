"""Form: tempo and bar grid fitted to the cuts, sections, ending.

Strong cuts fall on downbeats. Between two of them lies a whole number of bars, of which the last may be a 2/4, played
in the tempo that makes them fit. From one stretch to the next the tempo changes by at most MOST_BEND and never leaves
the range that mood and style allow; which cuts are met, and how, is the path of greatest worth through them: a cut on a
downbeat earns its weight, and the costs below are what the ear would pay. A cut that no such path can meet is passed
over, and lies where it lies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from video2music.errors import OptionError
from video2music.styles import Style
from video2music.values import Cut, Form, Section, Tempo

LONGEST_TAIL_S = 2.0  # ring-out after the last bar; shorter clips keep TAIL_SHARE of their length
TAIL_SHARE = 0.1
LAST_BAR = 0.6  # the final chord lasts this share of a bar or more; a bar of one chord may be of any length
LAST_CHORD_S = 1.0  # a cut this near to the end, or nearer, is not scored
CUT_SPACING_S = 4.0  # of cuts closer than this the stronger counts
SECTION_S = 8.0  # sections last at least this long, or a quarter of a short clip; the first and the last may be short
LONG_SECTION_BARS = 24  # longer sections are divided into parts of about 16 bars
HALF_WEIGHT = 3.0  # strength at which a cut weighs one half; also the usual threshold of the adaptive detector
WISHED_WEIGHT = 5.0  # of a hit that was wished for: no cut is worth as much
MOST_BEND = 0.06  # of the tempo, from one stretch to the next
TEMPO_REACH = 0.18  # a stretch may be this much slower or faster than the arousal asks for
SHORT_BAR = 2  # beats

TEMPO_COST = 0.25  # of a stretch at the end of that reach; goes with the square
CHANGE_COST = 0.1  # of the largest change of tempo; likewise
STEP_COST = 0.3  # of a chord that lasts half or twice a second; with the square of the octaves
SHORT_COST = 0.1  # of a 2/4
PICKUP_COST = 0.1  # of beginning before a downbeat
MET_S = 0.08  # a cut this near to a downbeat is met
NEAR_S = 0.04  # a cut this far from the downbeat it happens to lie at earns .6 of its weight
TEMPI = 25  # that are tried for music that meets no cut
NEARLY_SAME = 0.004  # tempi this near to each other, as a share, are one to the search
LOOK_BACK, LONG_LOOK_BACK, MANY_CUTS = 10, 4, 150  # how many cuts back a stretch may start; in clips of many cuts


def plan(
    duration_s: float,
    cuts: Sequence[Cut],
    *,
    arousal: float,
    style: Style,
    hits: Sequence[float] = (),
    tempo: tuple[float, float] | None = None,
    bend: float = MOST_BEND,
) -> Form:
    """The grid for a clip of `duration_s` seconds, with cuts on downbeats where that is worth its price.

    `hits` are times in s that count as the strongest cuts. `arousal` sets the tempo: -1..1 is the style's range and
    what goes beyond leads out of it, or from the lowest to the highest of a wished range `tempo`, which is never left.
    `bend` is how much, as a share, the tempo may change at a cut; 0 is one tempo for the whole clip. The music starts
    at 0, on a pickup where the first bar starts later. A chord lasts the number of beats nearest to one second that
    divides the bar; the last bar holds one chord. The tail after end_s is 2 s, of clips below 20 s a tenth; less where
    the last chord meets a cut near the end. Raises OptionError.
    """
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise OptionError(f"a clip of {duration_s} s cannot be scored: its length must be above 0 s")
    if late := [hit for hit in hits if hit >= duration_s]:
        raise OptionError(f"a hit at {late[0]:g} s is beyond the end at {duration_s:g} s: leave it out")
    marks = weighed(duration_s, cuts, hits)
    metre = _Metre.of(arousal, style, tempo)
    scored = [mark for mark in marks if duration_s - mark.time_s > LAST_CHORD_S]
    path = _Search(duration_s, scored, metre, bend).best()
    return _form(duration_s, path, metre, marks, [cut.time_s for cut in cuts], hits)


@dataclass(frozen=True)
class Mark:
    """A cut that counts: when, and its weight, 0..1 unless it was wished for."""

    time_s: float
    weight: float


def weighed(duration_s: float, cuts: Sequence[Cut], hits: Sequence[float] = ()) -> list[Mark]:
    """The strong cuts in order: inside the clip, and none stronger within 4 s. Wished hits are never weak."""
    wished = {float(hit): Mark(float(hit), WISHED_WEIGHT) for hit in hits}
    marks = [Mark(cut.time_s, cut.strength / (cut.strength + HALF_WEIGHT)) for cut in cuts if cut.strength > 0]
    kept: list[Mark] = [mark for mark in wished.values() if 0 < mark.time_s < duration_s]
    for mark in sorted(marks, key=lambda mark: (-mark.weight, mark.time_s)):
        if 0 < mark.time_s < duration_s and all(abs(mark.time_s - other.time_s) >= CUT_SPACING_S for other in kept):
            kept.append(mark)
    return sorted(kept, key=lambda mark: mark.time_s)


def strong(duration_s: float, cuts: Sequence[Cut], hits: Sequence[float] = ()) -> tuple[float, ...]:
    """Times in s of the strong cuts, in order."""
    return tuple(mark.time_s for mark in weighed(duration_s, cuts, hits))


@dataclass(frozen=True)
class _Metre:
    """The wanted tempo and its limits in beats a minute, beats in a bar, and beats that one chord lasts."""

    wanted: float
    slowest: float
    fastest: float
    bar: int
    step: int

    @classmethod
    def of(cls, arousal: float, style: Style, tempo: tuple[float, float] | None) -> "_Metre":
        slowest, fastest = tempo or style.tempo
        wanted = (slowest + fastest) / 2 + arousal * (fastest - slowest) / 2
        limits = wanted / (1 + TEMPO_REACH), wanted * (1 + TEMPO_REACH)
        if tempo:
            wanted = float(np.clip(wanted, *tempo))
            limits = max(limits[0], slowest), min(limits[1], fastest)
        bar = style.beats_per_bar
        divisors = [beats for beats in range(1, bar + 1) if bar % beats == 0]
        return cls(wanted, *limits, bar, min(divisors, key=lambda beats: abs(beats * 60 / wanted - 1)))

    def cost(self, tempo: NDArray[np.float64] | float) -> NDArray[np.float64] | float:
        """What a stretch of this tempo costs."""
        off = np.log(np.asarray(tempo) / self.wanted) / np.log(1 + TEMPO_REACH)
        return TEMPO_COST * off**2 + STEP_COST * np.log2(60 * self.step / tempo) ** 2

    def beats(self, seconds: float) -> range:
        """How many beats these seconds may have within the limits."""
        slowest, fastest = self.slowest * (1 - 1e-9), self.fastest * (1 + 1e-9)
        return range(int(np.ceil(seconds * slowest / 60)), int(np.floor(seconds * fastest / 60)) + 1)


@dataclass(frozen=True)
class _Stretch:
    """Music of one tempo: beats from `start_s` to `end_s`, which is a downbeat."""

    start_s: float
    end_s: float
    beats: int

    @property
    def tempo(self) -> float:
        return 60 * self.beats / (self.end_s - self.start_s)


@dataclass(frozen=True, eq=False)
class _Arrival:
    """The ways to arrive at a mark, one a tempo: their worth, and from where (arrival, row of it), None from 0."""

    tempi: NDArray[np.float64]
    worth: NDArray[np.float64]
    ways: list[tuple["_Arrival | None", int, _Stretch]]


@dataclass(frozen=True)
class _Path:
    """Stretches from 0 to the last downbeat, and the tempo of the last bar."""

    stretches: tuple[_Stretch, ...]
    tempo: float
    last_s: float
    end_s: float


class _Search:
    """Dynamic programming over the marks, each with the best way to arrive in every tempo."""

    def __init__(self, duration_s: float, marks: list[Mark], metre: _Metre, bend: float) -> None:
        self.duration_s, self.marks, self.metre = duration_s, marks, metre
        self.room_s = duration_s - min(LONGEST_TAIL_S, TAIL_SHARE * duration_s)
        self.most = np.log1p(bend) + 1e-9
        self.back = LOOK_BACK if len(marks) < MANY_CUTS else LONG_LOOK_BACK

    def best(self) -> _Path:
        """The path of greatest worth from 0 to the end."""
        arrivals: list[_Arrival] = []
        for index in range(len(self.marks)):
            arrivals.append(self._arrive(index, arrivals))
        best, chosen = self._without_hits()
        for index in range(max(0, len(self.marks) - self.back), len(self.marks)):
            arrival = arrivals[index]
            for row, worth in enumerate(arrival.worth):
                stretch, end_s = self._ending(self.marks[index].time_s, float(arrival.tempi[row]))
                total = float(worth) + self._luck(stretch, index + 1, len(self.marks))
                if total > best:
                    best, chosen = total, self._traced(arrival, row, stretch, end_s)
        return chosen

    def _arrive(self, index: int, arrivals: list[_Arrival]) -> _Arrival:
        mark, worth = self.marks[index], []
        ways: list[tuple[_Arrival | None, int, _Stretch]] = []
        for stretch, cost in self._openings(mark.time_s) if index < self.back else ():
            ways.append((None, 0, stretch))
            worth.append(self._luck(stretch, 0, index) - cost)
        for before in range(max(0, index - self.back), index):
            arrival = arrivals[before]
            for stretch, cost in self._between(self.marks[before].time_s, mark.time_s):
                row, so_far = self._best_row(arrival, stretch.tempo)
                if row >= 0:
                    ways.append((arrival, row, stretch))
                    worth.append(so_far + self._luck(stretch, before + 1, index) - cost)
        return _thinned([way[2].tempo for way in ways], [value + mark.weight for value in worth], ways)

    def _openings(self, until_s: float) -> Iterator[tuple[_Stretch, float]]:
        """From 0 to the first mark that is met, in whole beats: the first of them may be a pickup."""
        for beats in self.metre.beats(until_s):
            if beats:
                stretch = _Stretch(0.0, until_s, beats)
                ahead = beats % self.metre.bar
                price = PICKUP_COST * (1 + (ahead % self.metre.step > 0)) if ahead else 0.0
                yield stretch, float(self.metre.cost(stretch.tempo)) + price

    def _between(self, start_s: float, end_s: float) -> Iterator[tuple[_Stretch, float]]:
        """From mark to mark in whole bars, of which the last may be a short one."""
        for beats in self.metre.beats(end_s - start_s):
            over = beats % self.metre.bar
            if beats and over in (0, SHORT_BAR):
                stretch = _Stretch(start_s, end_s, beats)
                yield stretch, float(self.metre.cost(stretch.tempo)) + (SHORT_COST if over else 0.0)

    def _best_row(self, arrival: _Arrival, tempo: float) -> tuple[int, float]:
        """The row from which a stretch of this tempo is best reached, and the worth then; -1 where none is near."""
        if not len(arrival.tempi):
            return -1, 0.0
        change = np.abs(np.log(arrival.tempi / tempo))
        worth = np.where(
            change <= self.most, arrival.worth - CHANGE_COST * (change / np.log1p(MOST_BEND)) ** 2, -np.inf
        )
        row = int(worth.argmax())
        return (row, float(worth[row])) if worth[row] > -np.inf else (-1, 0.0)

    def _luck(self, stretch: _Stretch, first: int, after: int) -> float:
        """What the marks between `first` and `after` earn by lying near a downbeat of a stretch that passes them."""
        if first >= after or not stretch.beats:
            return 0.0
        bar_s = 60 / stretch.tempo * self.metre.bar
        ahead_s = stretch.beats % self.metre.bar * 60 / stretch.tempo if not stretch.start_s else 0.0
        total = 0.0
        for mark in self.marks[first:after]:
            if mark.time_s > stretch.end_s + bar_s / 2:
                break
            off_s = (mark.time_s - stretch.start_s - ahead_s + bar_s / 2) % bar_s - bar_s / 2
            total += mark.weight * float(np.exp(-0.5 * (off_s / NEAR_S) ** 2))
        return total

    def _ending(self, start_s: float, tempo: float) -> tuple[_Stretch, float]:
        """Whole bars from a downbeat to the last one, and when the last chord is released."""
        bar_s = 60 / tempo * self.metre.bar
        bars = max(0, int((self.room_s - LAST_BAR * bar_s - start_s) // bar_s))
        last_s = start_s + bars * bar_s
        return _Stretch(start_s, last_s, bars * self.metre.bar), self._released_s(last_s, bar_s)

    def _released_s(self, last_s: float, bar_s: float) -> float:
        """When the last chord is released; where it meets a cut near the end, after half the time that is left."""
        late = last_s > self.room_s - LAST_BAR * bar_s + 1e-9
        return max(self.room_s, (last_s + self.duration_s) / 2) if late else self.room_s

    def _without_hits(self) -> tuple[float, _Path]:
        """One tempo from 0 to the end, in a short clip perhaps with a pickup; marks are met by luck alone."""
        best, chosen = -np.inf, None
        for tempo in [*np.geomspace(self.metre.slowest, self.metre.fastest, TEMPI).tolist(), self.metre.wanted]:
            beat_s = 60 / tempo
            step_s, bar_s = beat_s * self.metre.step, beat_s * self.metre.bar
            steps = max(0, int((self.room_s - LAST_BAR * bar_s) // step_s))
            per_bar = self.metre.bar // self.metre.step
            steps -= steps % per_bar if steps > 4 * per_bar else 0
            stretch = _Stretch(0.0, steps * step_s, steps * self.metre.step)
            worth = (self._luck(stretch, 0, len(self.marks))) - float(self.metre.cost(tempo))
            if worth > best:
                best = worth
                end_s = self._released_s(stretch.end_s, bar_s)
                chosen = _Path((stretch,) if steps else (), tempo, stretch.end_s, end_s)
        assert chosen is not None
        return float(best), chosen

    def _traced(self, arrival: _Arrival, row: int, ending: _Stretch, end_s: float) -> _Path:
        stretches, tempo = ([ending] if ending.beats else []), float(arrival.tempi[row])
        at: _Arrival | None = arrival
        while at is not None:
            at, row, stretch = at.ways[row]
            stretches.append(stretch)
        return _Path(tuple(reversed(stretches)), tempo, ending.end_s, end_s)


def _thinned(tempi: list[float], worth: list[float], ways: list) -> _Arrival:
    """Of ways that arrive in nearly the same tempo only the best."""
    best: dict[int, int] = {}
    for row, tempo in enumerate(tempi):
        group = round(np.log(tempo) / NEARLY_SAME)
        if group not in best or worth[row] > worth[best[group]]:
            best[group] = row
    rows = list(best.values())
    return _Arrival(
        np.array([tempi[row] for row in rows]), np.array([worth[row] for row in rows]), [ways[row] for row in rows]
    )


def _form(
    duration_s: float,
    path: _Path,
    metre: _Metre,
    marks: list[Mark],
    cut_times: Sequence[float],
    hits: Sequence[float],
) -> Form:
    beats, in_bar = _beats(path, metre)
    bars = beats[in_bar == 0]
    struck = (in_bar % metre.step == 0) & (beats <= path.last_s + 1e-9)  # the last bar holds one chord
    struck[0] = True
    told = [Tempo(stretch.start_s, stretch.tempo) for stretch in path.stretches] or [Tempo(0.0, path.tempo)]
    tempi = [
        tempo for before, tempo in zip([None, *told], told, strict=False) if not before or not _same(before, tempo)
    ]
    return Form(
        duration_s, path.end_s, beats, bars, beats[struck],
        sections=_sections(path, bars, tempi, marks),
        tempi=tuple(tempi),
        cut_errors_ms=_errors_ms(cut_times, bars),
        hit_errors_ms=_errors_ms(hits, bars),
    )  # fmt: skip


def _same(one: Tempo, other: Tempo) -> bool:
    return abs(one.bpm - other.bpm) < 1e-6


def _beats(path: _Path, metre: _Metre) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Onset of every beat, and which beat of its bar it is; a pickup has the last beats of a bar."""
    onsets = [np.linspace(part.start_s, part.end_s, part.beats, endpoint=False) for part in path.stretches]
    places = [np.arange(part.beats) % metre.bar for part in path.stretches]
    if path.stretches and path.stretches[0].beats % metre.bar:
        first = path.stretches[0].beats
        places[0] = (np.arange(first) - first) % metre.bar
    last = np.arange(path.last_s, path.end_s - 1e-3, 60 / path.tempo)[: metre.bar]
    onsets.append(last if len(last) else np.array([path.last_s]))
    places.append(np.arange(len(onsets[-1])))
    return np.concatenate(onsets), np.concatenate(places)


def _sections(
    path: _Path, bars_s: NDArray[np.float64], tempi: Sequence[Tempo], marks: Sequence[Mark]
) -> tuple[Section, ...]:
    """They start at the first bar and on the strongest cuts that meet a downbeat; long ones are divided."""
    shortest_s = min(SECTION_S, path.end_s / 4)
    edges = [float(bars_s[0])]
    for mark in sorted(marks, key=lambda mark: -mark.weight):
        bar_s = float(bars_s[np.abs(bars_s - mark.time_s).argmin()])
        met = abs(bar_s - mark.time_s) < MET_S and bar_s > bars_s[0]
        if met and all(abs(bar_s - edge) >= shortest_s for edge in edges[1:]):
            edges.append(bar_s)
    edges = sorted([*edges, path.end_s])
    starts = [start for left, right in pairwise(edges) for start in _parts(left, right, bars_s)]
    tempo_at = [next(tempo.bpm for tempo in reversed(tempi) if tempo.start_s <= start + 1e-9) for start in starts]
    return tuple(map(Section, starts, [*starts[1:], path.end_s], tempo_at))


def _parts(left_s: float, right_s: float, bars_s: NDArray[np.float64]) -> list[float]:
    """Where the parts of a section start: the whole, or where it is long every multiple of eight bars."""
    inside = bars_s[(bars_s >= left_s - 1e-9) & (bars_s < right_s - 1e-9)]
    parts = max(1, round(len(inside) / 16)) if len(inside) > LONG_SECTION_BARS else 1
    return [float(inside[8 * round(part * len(inside) / parts / 8)]) for part in range(parts)]


def _errors_ms(cut_times: Sequence[float], bars_s: NDArray[np.float64]) -> tuple[float, ...]:
    """How late the nearest downbeat is for each cut, in ms."""
    after = np.clip(np.searchsorted(bars_s, cut_times), 1, max(1, len(bars_s) - 1))
    near = np.stack([bars_s[after - 1], bars_s[np.minimum(after, len(bars_s) - 1)]]) - np.array(cut_times, float)
    nearest = near[np.abs(near).argmin(0), np.arange(len(cut_times))]
    return tuple(round(float(error) * 1000, 3) for error in nearest)
