"""Search: several candidate pieces are begun, a judge compares them as they are written, and the best is selected.

This is successive halving (K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", AISTATS 2016): at section ends the better half and the baseline go on, and the candidates left after the
last of these rounds are judged whole. Most candidates cost a section or two. With the default number the search should
take no more than a tenth of the clip's length and 2 s on one core, loading apart (measured by `make bench`). What is
selected depends on the seed and the number of candidates alone and never on the speed of the machine.
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
from video2music.arranging.expression import Guidance
from video2music.composing import degeneracy
from video2music.composing.composition import Composition
from video2music.composing.draft import Draft, arrange_score
from video2music.values import Form, RandomStream, Score

FINALISTS = 2
BASELINE = 0  # index of the candidate that is never dropped, so that a manifest shows what the search has gained
ROUND_S = 16.0  # about how often candidates are compared
NEAR_S = 6.0  # a section end this near to that is taken instead
SHORTEST_S = 8.0  # of music between the last comparison and the end

GUIDANCE_SCALES = ((1.0, 1.0), (1.5, 1.5), (1.5, 1.0), (1.0, 1.5), (0.7, 0.7), (2.0, 1.5), (1.5, 2.0), (1.0, 0.7))
"""Factors on the strength for valence and arousal, for each candidate in turn; the first is the baseline's."""


class NotesJudge(Protocol):
    """What the search asks: emotion.judge.Judge, or a stand-in with the same method."""

    def predict_many_notes(self, pieces: Iterable[tuple[Notes, float]]) -> Sequence[EmotionReport]:
        """A report on each (notes, duration in s)."""
        ...


@dataclass(frozen=True, eq=False)
class Candidate:
    """A piece, as far as it was written.

    until_s   end of what is written, in s
    rounds    (until_s, score of the match) of each comparison so far, in order
    match     the last of these matches, None if it was never judged
    rejected  why it is degenerate; empty if it is not. A degenerate candidate is not judged
    """

    seed: int
    guidance: Guidance
    composition: Composition
    score: Score
    until_s: float
    rounds: tuple[tuple[float, float], ...] = ()
    match: Match | None = None
    rejected: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Its entry in the manifest."""
        return {
            "seed": self.seed,
            "guidance": list(self.guidance),
            "key": str(self.composition.key),
            "tempo": round(self.composition.form.tempi[0].bpm, 2),
            "steps": len(self.composition.chords),
            "rounds": [{"until_s": round(until_s, 3), "score": score} for until_s, score in self.rounds],
            "match": vars(self.match) if self.match else None,
            "rejected": list(self.rejected),
        }


@dataclass(frozen=True, eq=False)
class SearchResult:
    """All candidates in the order in which they were begun, the index of the selected one, and the judge."""

    candidates: tuple[Candidate, ...]
    selected: int
    judge: str
    judge_sha256: str

    @property
    def composition(self) -> Composition:
        """The selected piece."""
        return self.candidates[self.selected].composition

    @property
    def remark(self) -> str | None:
        """A sentence where even the selected candidate is degenerate."""
        faults = self.candidates[self.selected].rejected
        return f"all candidates are degenerate; the least bad was selected: {'; '.join(faults)}" if faults else None

    def to_json(self) -> dict[str, Any]:
        """Its entry in the manifest."""
        return {
            "judge": {"name": self.judge, "sha256": self.judge_sha256},
            "selected": self.selected,
            "remark": self.remark,
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }


def candidate_settings(seed: int, strength: float, candidates: int) -> list[tuple[int, Guidance]]:
    """Seed and guidance of each candidate; those of the first are as requested."""
    # All 63 seeds are drawn whatever the number, so that fewer candidates are the first of more.
    seeds = [seed, *RandomStream.CANDIDATES.generator(seed).integers(2**31, size=63).tolist()][:candidates]
    scales = (GUIDANCE_SCALES[number % len(GUIDANCE_SCALES)] for number in range(candidates))
    return [(own, Guidance(strength * v, strength * a)) for own, (v, a) in zip(seeds, scales, strict=True)]


def comparison_times(form: Form, candidates: int) -> list[float]:
    """Times in s at which candidates are compared before the end: the section ends nearest to every ROUND_S.

    Where no section ends within NEAR_S of that, the time itself. There are as many as it takes to halve the candidates
    to FINALISTS, fewer in pieces that are too short for that.
    """
    ends_s = np.array([section.end_s for section in form.sections])
    times: list[float] = []
    while len(times) < math.log2(max(candidates / FINALISTS, 1)):
        wanted_s = (times[-1] if times else 0.0) + ROUND_S
        nearest_s = float(ends_s[np.abs(ends_s - wanted_s).argmin()])
        time_s = nearest_s if abs(nearest_s - wanted_s) <= NEAR_S else wanted_s
        if form.end_s - time_s < SHORTEST_S:
            break
        times.append(time_s)
    return times


def select_best(
    drafts: Sequence[Draft],
    judge: NotesJudge,
    target: AffectCurve,
    *,
    progress: Callable[[float], None] = lambda fraction: None,
) -> SearchResult:
    """Write the drafts as far as needed and select the one whose prediction by the judge is nearest to the target.

    `progress` is called with the fraction done after every draft of a round; what it raises ends the search.
    """
    candidates: dict[int, Candidate] = {}
    alive, judged_by = list(range(len(drafts))), ("", "")
    times_s = [*comparison_times(drafts[0].form, len(drafts)), math.inf]
    for number, until_s in enumerate(times_s):
        written = {}
        for index in alive:
            written[index] = _write(drafts[index], candidates.get(index), until_s)
            progress((number + len(written) / (len(alive) + 1)) / len(times_s))
        judged_by = _judge(written, judge, target) or judged_by
        candidates |= written
        alive = _survivors(alive, candidates)
        progress((number + 1) / len(times_s))
    return SearchResult(tuple(candidates[index] for index in range(len(drafts))), alive[0], *judged_by)


def _survivors(alive: Sequence[int], candidates: Mapping[int, Candidate]) -> list[int]:
    """The better half, best first, and the baseline."""
    by_score = sorted(alive, key=lambda index: -match.score if (match := candidates[index].match) else 0.0)
    ranked = sorted(by_score, key=lambda index: len(candidates[index].rejected))  # stable: of equals the earlier wins
    count = max(FINALISTS, math.ceil(len(ranked) / 2))
    return ranked[:count] + [index for index in ranked[count:] if index == BASELINE]


def _write(draft: Draft, before: Candidate | None, until_s: float) -> Candidate:
    """A draft written until its downbeat nearest to a time.

    One chord more is written and left out of what is judged, because a composition's last chord is arranged as an
    ending.
    """
    bar_s = draft.form.bars_s[np.abs(draft.form.bars_s - until_s).argmin()]
    is_whole = math.isinf(until_s)
    composition = draft.composition(None if is_whole else int(np.searchsorted(draft.form.steps_s, bar_s - 1e-6)) + 1)
    score = arrange_score(composition)
    return Candidate(
        draft.seed,
        draft.guidance,
        composition,
        score,
        until_s=draft.form.duration_s if is_whole else float(bar_s),
        rounds=before.rounds if before else (),
        rejected=degeneracy.faults(composition, score),
    )


def _judge(written: dict[int, Candidate], judge: NotesJudge, target: AffectCurve) -> tuple[str, str] | None:
    """Put the matches into the candidates that are not rejected; returns the judge's name and sha256."""
    accepted = [index for index, candidate in written.items() if not candidate.rejected]
    pieces = [
        (midi.notes_of(candidate.score).within(0.0, candidate.until_s), candidate.until_s)
        for candidate in map(written.__getitem__, accepted)
    ]
    reports = judge.predict_many_notes(pieces)
    for index, report in zip(accepted, reports, strict=True):
        match, candidate = alignment.match(report, target), written[index]
        rounds = (*candidate.rounds, (candidate.until_s, match.score))
        written[index] = replace(candidate, match=match, rounds=rounds)
    return (reports[0].judge, reports[0].sha256) if reports else None
