"""Form: tempo and bar grid fitted to the cuts, sections, ending.

Strong cuts fall on downbeats. Between two of them there is a whole number of bars, of which the last may be a 2/4, in
the tempo that makes them fit. From one span to the next the tempo changes by at most MOST_BEND and never leaves the
range that arousal and style allow. Which cuts are met, and how, is found by dynamic programming over the cuts: a cut on
a downbeat scores its weight, and what listeners would notice costs as much as the constants below say. A cut that no
such path can meet is passed over. Times are in seconds, tempi in beats a minute.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music.errors import OptionError
from video2music.styles import Style
from video2music.values import Cut, Form, Section, Tempo

LONGEST_TAIL_S = 2.0  # ring-out after the last bar; shorter clips keep TAIL_SHARE of their length
TAIL_SHARE = 0.1
LAST_BAR = 0.6  # share of a bar that the final chord lasts at least; a bar of one chord may be of any length
LAST_CHORD_S = 1.0  # a cut this near to the end, or nearer, is not scored
CUT_SPACING_S = 4.0  # of cuts closer than this the stronger counts
SECTION_S = 8.0  # sections last at least this long, or a quarter of a short clip; the first and the last may be short
LONG_SECTION_BARS = 24  # longer sections are divided into parts of about 16 bars
HALF_WEIGHT = 3.0  # strength at which a cut weighs one half; also the usual threshold of the adaptive detector
REQUESTED_WEIGHT = 5.0  # of a requested hit: no cut weighs as much
MOST_BEND = 0.06  # change of tempo from one span to the next, as a share
TEMPO_REACH = 0.18  # a span may be this much slower or faster than the arousal asks for
SHORT_BAR = 2  # beats

TEMPO_COST = 0.25  # of a span at the end of that reach; goes with the square
CHANGE_COST = 0.1  # of the largest change of tempo; likewise
STEP_COST = 0.3  # of a chord that lasts half or twice a second; with the square of the octaves
SHORT_COST = 0.1  # of a 2/4
PICKUP_COST = 0.1  # of beginning before a downbeat
MET_S = 0.08  # a cut this near to a downbeat is met
NEAR_S = 0.04  # a cut this far from a downbeat that was not placed for it scores .6 of its weight
TEMPI = 25  # that are tried for music that meets no cut
NEARLY_SAME = 0.004  # tempi this near to each other, as a share, are one to the search
LOOK_BACK = 10  # cuts before its end at which a span may start
MANY_CUTS, SHORT_LOOK_BACK = 150, 4  # in clips of many cuts fewer, because time goes with the number of pairs


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
    """The grid for a clip of `duration_s` seconds, with cuts on downbeats where that is worth its cost.

    `hits` are times in s that count as the strongest cuts. `arousal` sets the tempo: -1..1 is the style's range and
    more leads out of it, or -1..1 is a requested range `tempo` in beats a minute, which is never left.
    `bend` is how much, as a share, the tempo may change at a cut; 0 is one tempo for the whole clip. The music starts
    at 0, on a pickup where the first bar starts later. A chord lasts the number of beats nearest to one second that
    divides the bar; the last bar holds one chord. The tail after end_s is 2 s, of clips below 20 s a tenth; less where
    the last chord meets a cut near the end. Raises OptionError.
    """
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise OptionError(f"a clip of {duration_s} s cannot be scored: its length must be above 0 s")
    if late := [hit for hit in hits if hit >= duration_s]:
        raise OptionError(f"a hit at {late[0]:g} s is beyond the end at {duration_s:g} s: leave it out")
    strong = strong_cuts(duration_s, cuts, hits)
    metre = _MetreLimits.of(arousal, style, tempo)
    scored = [cut for cut in strong if duration_s - cut.time_s > LAST_CHORD_S]
    path = _PathSearch(duration_s, scored, metre, bend).best()
    return _form(duration_s, path, metre, strong, [cut.time_s for cut in cuts], hits)


@dataclass(frozen=True)
class StrongCut:
    """A cut or hit that counts: when, and its weight, 0..1 for a cut."""

    time_s: float
    weight: float


def strong_cuts(duration_s: float, cuts: Sequence[Cut], hits: Sequence[float] = ()) -> list[StrongCut]:
    """The strong cuts in order: inside the clip, and none stronger within 4 s. Requested hits always count."""
    kept = [StrongCut(hit, REQUESTED_WEIGHT) for hit in dict.fromkeys(map(float, hits)) if 0 < hit < duration_s]
    marks = [StrongCut(cut.time_s, cut.strength / (cut.strength + HALF_WEIGHT)) for cut in cuts if cut.strength > 0]
    for mark in sorted(marks, key=lambda mark: (-mark.weight, mark.time_s)):
        if 0 < mark.time_s < duration_s and all(abs(mark.time_s - other.time_s) >= CUT_SPACING_S for other in kept):
            kept.append(mark)
    return sorted(kept, key=lambda mark: mark.time_s)


@dataclass(frozen=True)
class _MetreLimits:
    """The wanted tempo and its limits in beats a minute, beats in a bar, and beats that one chord lasts."""

    wanted: float
    slowest: float
    fastest: float
    bar: int
    step: int

    @classmethod
    def of(cls, arousal: float, style: Style, tempo: tuple[float, float] | None) -> "_MetreLimits":
        slowest, fastest = tempo or style.tempo
        wanted = (slowest + fastest) / 2 + arousal * (fastest - slowest) / 2
        limits = wanted / (1 + TEMPO_REACH), wanted * (1 + TEMPO_REACH)
        if tempo:
            wanted = float(np.clip(wanted, *tempo))
            limits = max(limits[0], slowest), min(limits[1], fastest)
        bar = style.beats_per_bar
        divisors = [beats for beats in range(1, bar + 1) if bar % beats == 0]
        return cls(wanted, *limits, bar, min(divisors, key=lambda beats: abs(beats * 60 / wanted - 1)))

    def cost(self, tempo: float) -> float:
        """What a span of this tempo costs."""
        off = np.log(tempo / self.wanted) / np.log(1 + TEMPO_REACH)
        return float(TEMPO_COST * off**2 + STEP_COST * np.log2(60 * self.step / tempo) ** 2)

    def beats(self, seconds: float) -> range:
        """How many beats these seconds may have within the limits."""
        slowest, fastest = self.slowest * (1 - 1e-9), self.fastest * (1 + 1e-9)  # one tempo is a range of no width
        return range(int(np.ceil(seconds * slowest / 60)), int(np.floor(seconds * fastest / 60)) + 1)


@dataclass(frozen=True)
class _Span:
    """Music of one tempo: beats from `start_s` to `end_s`, which is a downbeat."""

    start_s: float
    end_s: float
    beats: int

    @property
    def tempo(self) -> float:
        return 60 * self.beats / (self.end_s - self.start_s)


class _Step(NamedTuple):
    """The last span of a path that ends on a cut, and what came before: an arrival and its row, or None from 0 s."""

    before: "_Arrival | None"
    row: int
    span: _Span


@dataclass(frozen=True, eq=False)
class _Arrival:
    """The best paths that end on a cut, one for each tempo: tempi, scores and last steps, row by row."""

    tempi: NDArray[np.float64]
    scores: NDArray[np.float64]
    steps: list[_Step]


@dataclass(frozen=True)
class _Path:
    """Spans from 0 to the last downbeat, and the tempo of the last bar."""

    spans: tuple[_Span, ...]
    tempo: float
    last_s: float
    end_s: float


class _PathSearch:
    """Dynamic programming over the strong cuts, each with the best path that ends on it for every tempo."""

    def __init__(self, duration_s: float, cuts: list[StrongCut], metre: _MetreLimits, bend: float) -> None:
        self.duration_s, self.cuts, self.metre = duration_s, cuts, metre
        self.music_end_s = duration_s - min(LONGEST_TAIL_S, TAIL_SHARE * duration_s)
        self.max_change = np.log1p(bend) + 1e-9  # of the logarithm of the tempo
        self.look_back = LOOK_BACK if len(cuts) < MANY_CUTS else SHORT_LOOK_BACK

    def best(self) -> _Path:
        """The path of the highest score from 0 to the end."""
        # A path that meets no cut always exists, so it is what the others must beat.
        arrivals: list[_Arrival] = []
        for index in range(len(self.cuts)):
            arrivals.append(self._arrive(index, arrivals))
        best, chosen = self._best_of_one_tempo()
        # As between two cuts, the last span passes at most `look_back` cuts: time goes with the number of pairs.
        for index in range(max(0, len(self.cuts) - self.look_back), len(self.cuts)):
            arrival = arrivals[index]
            for row, score in enumerate(arrival.scores):
                span, end_s = self._ending(self.cuts[index].time_s, float(arrival.tempi[row]))
                total = float(score) + self._passing_score(span, index + 1, len(self.cuts))
                if total > best:
                    best, chosen = total, self._trace_back(arrival, row, span, end_s)
        return chosen

    def _arrive(self, index: int, arrivals: list[_Arrival]) -> _Arrival:
        cut = self.cuts[index]
        steps: list[_Step] = []
        scores: list[float] = []
        for span, cost in self._openings(cut.time_s) if index < self.look_back else ():
            steps.append(_Step(None, 0, span))
            scores.append(self._passing_score(span, 0, index) - cost)
        for before in range(max(0, index - self.look_back), index):
            arrival = arrivals[before]
            for span, cost in self._between(self.cuts[before].time_s, cut.time_s):
                row, score = self._best_row(arrival, span.tempo)
                if row >= 0:
                    steps.append(_Step(arrival, row, span))
                    scores.append(score + self._passing_score(span, before + 1, index) - cost)
        return _best_of_each_tempo(steps, [score + cut.weight for score in scores])

    def _openings(self, until_s: float) -> Iterator[tuple[_Span, float]]:
        """Spans with their cost from 0 to the first cut that is met, in whole beats: the first may be a pickup."""
        for beats in self.metre.beats(until_s):
            if beats:
                span = _Span(0.0, until_s, beats)
                pickup = beats % self.metre.bar
                # A pickup that begins within a chord's usual length costs twice as much.
                price = PICKUP_COST * (1 + (pickup % self.metre.step > 0)) if pickup else 0.0
                yield span, self.metre.cost(span.tempo) + price

    def _between(self, start_s: float, end_s: float) -> Iterator[tuple[_Span, float]]:
        """Spans with their cost from cut to cut in whole bars, of which the last may be a short one."""
        for beats in self.metre.beats(end_s - start_s):
            over = beats % self.metre.bar
            if beats and over in (0, SHORT_BAR):
                span = _Span(start_s, end_s, beats)
                yield span, self.metre.cost(span.tempo) + (SHORT_COST if over else 0.0)

    def _best_row(self, arrival: _Arrival, tempo: float) -> tuple[int, float]:
        """The row from which a span of this tempo is best reached, and the score then; -1 where no tempo is near."""
        if not len(arrival.tempi):
            return -1, 0.0
        change = np.abs(np.log(arrival.tempi / tempo))
        cost = CHANGE_COST * (change / np.log1p(MOST_BEND)) ** 2
        scores = np.where(change <= self.max_change, arrival.scores - cost, -np.inf)
        row = int(scores.argmax())
        return (row, float(scores[row])) if scores[row] > -np.inf else (-1, 0.0)

    def _passing_score(self, span: _Span, first: int, after: int) -> float:
        """What the cuts from `first` to before `after` score by being near a downbeat of a span that passes them."""
        if first >= after or not span.beats:
            return 0.0
        bar_s = 60 / span.tempo * self.metre.bar
        pickup_s = span.beats % self.metre.bar * 60 / span.tempo if not span.start_s else 0.0
        total = 0.0
        for cut in self.cuts[first:after]:
            if cut.time_s > span.end_s + bar_s / 2:
                break
            off_s = (cut.time_s - span.start_s - pickup_s + bar_s / 2) % bar_s - bar_s / 2
            total += cut.weight * float(np.exp(-0.5 * (off_s / NEAR_S) ** 2))
        return total

    def _ending(self, start_s: float, tempo: float) -> tuple[_Span, float]:
        """Whole bars from a downbeat to the last one, and when the last chord is released."""
        bar_s = 60 / tempo * self.metre.bar
        bars = max(0, int((self.music_end_s - LAST_BAR * bar_s - start_s) // bar_s))
        last_s = start_s + bars * bar_s
        return _Span(start_s, last_s, bars * self.metre.bar), self._release_s(last_s, bar_s)

    def _release_s(self, last_s: float, bar_s: float) -> float:
        """When the last chord is released; where it meets a cut near the end, after half the time that is left."""
        is_late = last_s > self.music_end_s - LAST_BAR * bar_s + 1e-9
        return max(self.music_end_s, (last_s + self.duration_s) / 2) if is_late else self.music_end_s

    def _best_of_one_tempo(self) -> tuple[float, _Path]:
        """One tempo from 0 to the end, in a short clip perhaps with a pickup; cuts are met by chance alone."""
        best, chosen = -np.inf, None
        for tempo in [*np.geomspace(self.metre.slowest, self.metre.fastest, TEMPI).tolist(), self.metre.wanted]:
            beat_s = 60 / tempo
            step_s, bar_s = beat_s * self.metre.step, beat_s * self.metre.bar
            steps = max(0, int((self.music_end_s - LAST_BAR * bar_s) // step_s))
            per_bar = self.metre.bar // self.metre.step
            steps -= steps % per_bar if steps > 4 * per_bar else 0  # a pickup would use the time of a short clip better
            span = _Span(0.0, steps * step_s, steps * self.metre.step)
            score = self._passing_score(span, 0, len(self.cuts)) - self.metre.cost(tempo)
            if score > best:
                best = score
                chosen = _Path((span,) if steps else (), tempo, span.end_s, self._release_s(span.end_s, bar_s))
        assert chosen is not None
        return float(best), chosen

    def _trace_back(self, arrival: _Arrival, row: int, ending: _Span, end_s: float) -> _Path:
        spans, tempo = ([ending] if ending.beats else []), float(arrival.tempi[row])
        at: _Arrival | None = arrival
        while at is not None:
            at, row, span = at.steps[row]
            spans.append(span)
        return _Path(tuple(reversed(spans)), tempo, ending.end_s, end_s)


def _best_of_each_tempo(steps: list[_Step], scores: list[float]) -> _Arrival:
    """Of steps in nearly the same tempo only the best."""
    best: dict[int, int] = {}
    for row, step in enumerate(steps):
        group = round(np.log(step.span.tempo) / NEARLY_SAME)
        if group not in best or scores[row] > scores[best[group]]:
            best[group] = row
    rows = list(best.values())
    tempi = np.array([steps[row].span.tempo for row in rows])
    return _Arrival(tempi, np.array([scores[row] for row in rows]), [steps[row] for row in rows])


def _form(
    duration_s: float,
    path: _Path,
    metre: _MetreLimits,
    strong: list[StrongCut],
    cut_times: Sequence[float],
    hits: Sequence[float],
) -> Form:
    beats, in_bar = _beats(path, metre)
    bars = beats[in_bar == 0]
    has_chord = (in_bar % metre.step == 0) & (beats <= path.last_s + 1e-9)  # the last bar holds one chord
    has_chord[0] = True  # of a pickup, too
    tempi = [Tempo(span.start_s, span.tempo) for span in path.spans] or [Tempo(0.0, path.tempo)]
    tempi = [
        tempo
        for before, tempo in zip([None, *tempi], tempi, strict=False)
        if before is None or abs(before.bpm - tempo.bpm) >= 1e-6
    ]
    return Form(
        duration_s, path.end_s, beats, bars, beats[has_chord],
        sections=_sections(path, bars, tempi, strong),
        tempi=tuple(tempi),
        cut_errors_ms=_errors_ms(cut_times, bars),
        hit_errors_ms=_errors_ms(hits, bars),
    )  # fmt: skip


def _beats(path: _Path, metre: _MetreLimits) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Onset of every beat, and which beat of its bar it is; a pickup has the last beats of a bar."""
    onsets = [np.linspace(part.start_s, part.end_s, part.beats, endpoint=False) for part in path.spans]
    in_bar = [np.arange(part.beats) % metre.bar for part in path.spans]
    if path.spans and path.spans[0].beats % metre.bar:
        first = path.spans[0].beats
        in_bar[0] = (np.arange(first) - first) % metre.bar
    last = np.arange(path.last_s, path.end_s - 1e-3, 60 / path.tempo)[: metre.bar]
    onsets.append(last if len(last) else np.array([path.last_s]))
    in_bar.append(np.arange(len(onsets[-1])))
    return np.concatenate(onsets), np.concatenate(in_bar)


def _sections(
    path: _Path, bars_s: NDArray[np.float64], tempi: Sequence[Tempo], strong: Sequence[StrongCut]
) -> tuple[Section, ...]:
    """They start at the first bar and on the strongest cuts that meet a downbeat; long ones are divided."""
    shortest_s = min(SECTION_S, path.end_s / 4)
    edges = [float(bars_s[0])]
    for cut in sorted(strong, key=lambda cut: -cut.weight):
        bar_s = float(bars_s[np.abs(bars_s - cut.time_s).argmin()])
        met = abs(bar_s - cut.time_s) < MET_S and bar_s > bars_s[0]
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
