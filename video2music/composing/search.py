"""Search: several pieces are begun, a judge hears what is there of each, the weaker ones are dropped, the best is kept.

This is successive halving (K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", AISTATS 2016): at section ends the better half and the plain candidate go on, and what is left after the
last of these rounds is heard whole. Most candidates cost a section or two. With the default number it should take no
more than a tenth of the clip's length and 2 s on one core, loading apart (measured by `make bench`); what is kept
depends on the seed and the number of candidates alone and never on how fast the machine is.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from emotion import alignment
from emotion.midi.notes import Notes
from emotion.values import AffectCurve, EmotionReport, Match
from video2music.arranging import midi
from video2music.arranging.expression import Pull
from video2music.composing import degeneracy
from video2music.composing.composition import Composition
from video2music.composing.draft import Draft, score_of
from video2music.values import Form, Score

FINALISTS = 2
PLAIN = 0  # the candidate that nobody drops, so that a manifest tells what the search has gained
RUNG_S, NEAR_S = 16.0, 6.0  # about how often candidates are compared, and how near to that a section must end
SHORTEST_S = 8.0  # of music between the last comparison and the end

PULLS = ((1.0, 1.0), (1.5, 1.5), (1.5, 1.0), (1.0, 1.5), (0.7, 0.7), (2.0, 1.5), (1.5, 2.0), (1.0, 0.7))
"""Valence and arousal: what each candidate makes of the strength, in turn; the first is the plain piece."""
_CANDIDATE_DRAW = 3


class Judge(Protocol):
    """Hears notes: emotion.judge.Judge, or whoever is put in its place."""

    def hear_many_notes(self, pieces: Iterable[tuple[Notes, float]]) -> Sequence[EmotionReport]:
        """A report on each (notes, duration in s)."""
        ...


@dataclass(frozen=True, eq=False)
class Candidate:
    """A piece that was begun, as far as it got.

    until_s   up to when there is something to hear
    rounds    (time in s up to which it was heard, score of the match): each time that it was compared, in order
    match     the last of these matches, None if it was never heard
    rejected  why it is degenerate; empty if it is not. It is not heard then
    """

    seed: int
    pull: Pull
    composition: Composition
    score: Score
    until_s: float
    rounds: tuple[tuple[float, float], ...] = ()
    match: Match | None = None
    rejected: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What a manifest tells of it."""
        return {
            "seed": self.seed,
            "pull": list(self.pull),
            "key": str(self.composition.key),
            "tempo": round(self.composition.form.tempi[0].bpm, 2),
            "steps": len(self.composition.chords),
            "rounds": [{"until_s": round(until_s, 3), "score": score} for until_s, score in self.rounds],
            "match": vars(self.match) if self.match else None,
            "rejected": list(self.rejected),
        }


@dataclass(frozen=True, eq=False)
class Found:
    """All candidates in the order they were begun, which of them was kept, and who judged."""

    candidates: tuple[Candidate, ...]
    kept: int
    judge: str
    sha256: str

    @property
    def remark(self) -> str | None:
        """A sentence where the best was not good."""
        faults = self.candidates[self.kept].rejected
        return f"all candidates are degenerate; the least bad was kept: {'; '.join(faults)}" if faults else None

    def to_json(self) -> dict[str, Any]:
        """What a manifest tells of it."""
        return {
            "judge": {"name": self.judge, "sha256": self.sha256},
            "kept": self.kept,
            "remark": self.remark,
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }


def draws(seed: int, strength: float, candidates: int) -> list[tuple[int, Pull]]:
    """Seed and pull of each candidate; the first has the seed and the strength that were asked for."""
    rng = np.random.default_rng([seed, _CANDIDATE_DRAW])
    seeds = [seed, *rng.integers(2**31, size=63).tolist()][:candidates]
    pulls = (PULLS[number % len(PULLS)] for number in range(candidates))
    return [(own, Pull(strength * v, strength * a)) for own, (v, a) in zip(seeds, pulls, strict=True)]


def rungs(form: Form, candidates: int) -> list[float]:
    """Times in s at which candidates are compared before the end: the section ends nearest to every RUNG_S.

    Where no section ends within NEAR_S of that, the time itself. There are as many as it takes to halve the candidates
    to FINALISTS, fewer in pieces that are too short for that.
    """
    ends_s = np.array([section.end_s for section in form.sections])
    times: list[float] = []
    while len(times) < math.log2(max(candidates / FINALISTS, 1)):
        wanted_s = (times[-1] if times else 0.0) + RUNG_S
        nearest_s = float(ends_s[np.abs(ends_s - wanted_s).argmin()])
        time_s = nearest_s if abs(nearest_s - wanted_s) <= NEAR_S else wanted_s
        if form.end_s - time_s < SHORTEST_S:
            break
        times.append(time_s)
    return times


def best(
    drafts: Sequence[Draft], judge: Judge, curve: AffectCurve, *, tell: Callable[[float], None] = lambda fraction: None
) -> Found:
    """Write the drafts, of which each has its shape, and keep the one that the judge hears nearest to the curve."""
    heard: dict[int, Candidate] = {}
    alive, told = list(range(len(drafts))), ("", "")
    times_s = [*rungs(drafts[0].form, len(drafts)), math.inf]
    for number, until_s in enumerate(times_s):
        began = {}
        for place in alive:
            began[place] = _begun(drafts[place], heard.get(place), until_s)
            tell((number + len(began) / (len(alive) + 1)) / len(times_s))  # whoever wants to stop it raises here
        told = _hear(began, judge, curve) or told
        heard |= began
        alive = _survivors(alive, heard)
        tell((number + 1) / len(times_s))
    return Found(tuple(heard[place] for place in range(len(drafts))), alive[0], *told)


def _survivors(alive: Sequence[int], heard: Mapping[int, Candidate]) -> list[int]:
    """The better half, best first, and the plain candidate."""
    ranked = sorted(alive, key=lambda place: _rank(heard[place]))
    kept = max(FINALISTS, math.ceil(len(ranked) / 2))
    return ranked[:kept] + [place for place in ranked[kept:] if place == PLAIN]


def _rank(candidate: Candidate) -> tuple[int, float]:
    """The best sorts first; the order of candidates decides where two are alike."""
    return len(candidate.rejected), -candidate.match.score if candidate.match else 0.0


def _begun(draft: Draft, before: Candidate | None, until_s: float) -> Candidate:
    """A draft written until its downbeat nearest to a time; one chord more, so that no final chord sounds there."""
    bar_s = draft.form.bars_s[np.abs(draft.form.bars_s - until_s).argmin()]
    whole = math.isinf(until_s)
    composition = draft.composition(None if whole else int(np.searchsorted(draft.form.steps_s, bar_s - 1e-6)) + 1)
    until_s = draft.form.duration_s if whole else float(bar_s)
    score = score_of(composition)
    faults = degeneracy.faults(composition, score)
    rounds = before.rounds if before else ()
    return Candidate(draft.seed, draft.pull, composition, score, until_s, rounds, rejected=faults)


def _hear(began: dict[int, Candidate], judge: Judge, curve: AffectCurve) -> tuple[str, str] | None:
    """Put the matches into the candidates that are not rejected; returns the judge's name and sha256."""
    sound = [place for place, candidate in began.items() if not candidate.rejected]
    reports = judge.hear_many_notes([(_notes(began[place]), began[place].until_s) for place in sound])
    for place, report in zip(sound, reports, strict=True):
        found, candidate = alignment.match(report, curve), began[place]
        began[place] = replace(candidate, match=found, rounds=(*candidate.rounds, (candidate.until_s, found.score)))
    return (reports[0].judge, reports[0].sha256) if reports else None


def _notes(candidate: Candidate) -> Notes:
    return midi.notes_of(candidate.score).within(0.0, candidate.until_s)
