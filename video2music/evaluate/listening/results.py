"""Results of a listening test: preferences with a sign test, by clip and by listener, consistency and agreement.

The sign test is the exact binomial one, two-sided, over the answers that prefer a side; shares have Wilson's 95 %
interval (Journal of the American Statistical Association 22, 1927). Answers of one listener, or about one clip, are not
independent, which the test over all answers assumes; hence the rows in which each clip, and each listener, has one
vote. Agreement is the share of pairs of listeners with the same answer for a clip, and Krippendorff's alpha for nominal
data (Content Analysis, 1980), 0 for chance and 1 for perfect agreement.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.report import RESAMPLES, from_summaries
from video2music.evaluate.listening.trials import NO_PREFERENCE, QUESTIONS, SYSTEMS, TrialAnswer, TrialKey
from video2music.evaluate.tables import Summaries, Summary, cell_text, markdown_table, single

CHOICES = (*SYSTEMS, NO_PREFERENCE)

# A row's name is that of its question and one of these.
SURE, BY_CLIP, BY_LISTENER = ", sure", ", a vote a clip", ", a vote a listener"
CLIP, LISTENER = ", clip ", ", listener "  # and its name
CONSISTENCY, AGREEMENT = ", pairs that came twice", ", agreement"

Counts = NDArray[np.int64]
"""(clips, 3): how many listeners answer a, b, same for each."""


def build_report(key: TrialKey, answers: Sequence[TrialAnswer]) -> dict[str, Any]:
    """The standard report of a kit's answers.

    Rows are `fits`, `feels` and `nicer`, each alone and with `, sure`, `, a vote a clip`, `, a vote a listener`,
    `, clip NAME`, `, listener NAME`, `, pairs that came twice` and `, agreement`. `prefers_a` is the share of those who
    prefer the first system among those who prefer one. Repeated trials count for `consistent`
    alone.
    """
    rows: dict[str, Mapping[str, Summary]] = {}
    for question in QUESTIONS:
        given = [answer for answer in answers if question in answer.choices]
        if given:
            rows |= {f"{question}{suffix}": row for suffix, row in _question_rows(question, given).items() if row}
    data = " against ".join(key.names.values())
    found = from_summaries("listening", data, f"kit {key.kit}", [key.seed], rows)
    return found | {
        "systems": dict(key.names),
        "listeners": len({answer.listener for answer in answers}),
        "trials": len(key.trials),
        "unfinished": _unfinished(key, answers),
        "comments": [
            {"listener": answer.listener, "clip": answer.trial.clip, "comment": answer.comment}
            for answer in answers
            if answer.comment
        ],
    }


def _question_rows(question: str, given: Sequence[TrialAnswer]) -> dict[str, Mapping[str, Summary]]:
    first = [answer for answer in given if answer.trial.repeats is None]
    by_clip = _grouped(first, question, lambda answer: answer.trial.clip)
    by_listener = _grouped(first, question, lambda answer: answer.listener)
    choices = [answer.choices[question] for answer in first]
    return {
        "": preferences(choices),
        SURE: preferences([answer.choices[question] for answer in first if answer.sure]),
        BY_CLIP: preferences([vote(choices) for choices in by_clip.values()]),
        BY_LISTENER: preferences([vote(choices) for choices in by_listener.values()]),
        **{CLIP + clip: preferences(choices) for clip, choices in by_clip.items()},
        **{
            LISTENER + name: {**preferences(choices), **_consistency(question, given, name)}
            for name, choices in by_listener.items()
        },
        CONSISTENCY: _consistency(question, given),
        AGREEMENT: agreement(np.array([_choice_counts(choices) for choices in by_clip.values()])) if by_clip else {},
    }


def _grouped(
    answers: Iterable[TrialAnswer], question: str, group: Callable[[TrialAnswer], str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for answer in answers:
        found.setdefault(group(answer), []).append(answer.choices[question])
    return dict(sorted(found.items()))


def preferences(choices: Sequence[str]) -> dict[str, Summary]:
    """Counts of a, b and same, the share of a among a and b, and the sign test's p; nothing of no choices.

    Share and p are left out where nobody prefers either.
    """
    if not choices:
        return {}
    a, b, same = _choice_counts(choices)
    found = {"wins_a": single(a), "wins_b": single(b), "same": single(same)}
    return found | ({"prefers_a": share(a, a + b), "sign_test_p": single(sign_test(a, b))} if a + b else {})


def sign_test(a: int, b: int) -> float:
    """Two-sided p of the exact binomial test that both sides win equally often; needs one win at least."""
    from scipy.stats import binomtest

    return float(binomtest(a, a + b).pvalue)


def share(some: int, of: int) -> Summary:
    """A share of at least one with Wilson's 95 % interval."""
    from scipy.stats import binomtest

    interval = binomtest(some, of).proportion_ci(0.95, method="wilson")
    return {"mean": some / of, "low": float(interval.low), "high": float(interval.high), "seeds": [some / of]}


def vote(choices: Sequence[str]) -> str:
    """The majority of some choices, same where neither side leads."""
    a, b, _ = _choice_counts(choices)
    return "a" if a > b else "b" if b > a else NO_PREFERENCE


def _choice_counts(choices: Sequence[str]) -> tuple[int, int, int]:
    counted = Counter(choices)
    a, b, same = (counted[choice] for choice in CHOICES)
    return a, b, same


def _consistency(question: str, given: Sequence[TrialAnswer], listener: str | None = None) -> dict[str, Summary]:
    """The share of equal answers to the trials that a listener, or any, got twice."""
    choices = {(answer.listener, answer.trial.number): answer.choices[question] for answer in given}
    alike = [
        choices[earlier] == answer.choices[question]
        for answer in given
        if listener in (None, answer.listener)
        and answer.trial.repeats
        and (earlier := (answer.listener, answer.trial.repeats)) in choices
    ]
    return {"consistent": share(sum(alike), len(alike)), "repeated": single(len(alike))} if alike else {}


def agreement(counts: Counts) -> dict[str, Summary]:
    """Share of pairs of listeners who agree and Krippendorff's alpha, over clips that two at least judged.

    Intervals are of 2000 draws of clips (seed 0). Empty without such a clip; no alpha where all answers are equal.
    """
    judged = counts[counts.sum(axis=1) > 1]
    if not len(judged):
        return {}
    draws = np.random.default_rng(0).integers(len(judged), size=(RESAMPLES, len(judged)))
    measures = {"agree": pairs_agreeing, "alpha": alpha}
    return {
        name: _with_interval(measure(judged), np.array([measure(judged[draw]) for draw in draws]))
        for name, measure in measures.items()
        if np.isfinite(measure(judged))
    }


def _with_interval(value: float, resampled: NDArray[np.float64]) -> Summary:
    low, high = np.nanpercentile(resampled, (2.5, 97.5))
    return {"mean": value, "low": float(low), "high": float(high), "seeds": [value]}


def pairs_agreeing(counts: Counts) -> float:
    """The share of pairs of listeners, of one clip each, who say the same; (clips, choices), two a clip at least."""
    judged = counts.sum(axis=1)
    return float((counts * (counts - 1)).sum() / (judged * (judged - 1)).sum())


def alpha(counts: Counts) -> float:
    """Krippendorff's alpha of counts (units, names), two a unit at least; NaN where all are one name."""
    judged, total = counts.sum(axis=1), counts.sum()
    observed = ((judged**2 - (counts**2).sum(axis=1)) / (judged - 1)).sum()
    expected = (total**2 - (counts.sum(axis=0) ** 2).sum()) / (total - 1)
    return float(1 - observed / expected) if expected else float("nan")


def _unfinished(key: TrialKey, answers: Sequence[TrialAnswer]) -> dict[str, int]:
    """Listener -> how many trials are open, of those who left any."""
    done = Counter(answer.listener for answer in answers)
    return {name: len(key.trials) - count for name, count in sorted(done.items()) if count < len(key.trials)}


ReportRows = Mapping[str, Summaries]
OVERALL = MappingProxyType({"": "all answers", SURE: "sure answers", BY_CLIP: "a vote a clip",
                            BY_LISTENER: "a vote a listener"})  # fmt: skip
HOW_TO_READ = (
    "The share is of the first system among the answers that prefer one, with Wilson's 95 % interval; p is of the "
    "exact sign test. Answers of one listener are not independent: the votes are more reliable than the answers."
)


def result_tables(report: Mapping[str, Any]) -> str:
    """Markdown: preferences over all, by clip and by listener, then consistency and agreement."""
    rows, names = report["rows"], report["systems"]
    kit, number = report["split"].removeprefix("kit "), report["listeners"]
    parts = [
        f"Kit {kit}: {report['data']}, {number} listener{'' if number == 1 else 's'}.",
        _unfinished_line(report),
        HOW_TO_READ,
        *(_preference_table(question, rows, names) for question in QUESTIONS if question in rows),
        _breakdown("clip", CLIP, rows, names),
        _breakdown("listener", LISTENER, rows, names),
        _reliability(rows),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _unfinished_line(report: Mapping[str, Any]) -> str:
    open_trials = [
        f"{cell_text(name)} ({left} of {report['trials']} open)" for name, left in report["unfinished"].items()
    ]
    return f"Not finished: {', '.join(open_trials)}." if open_trials else ""


def _preference_table(question: str, rows: ReportRows, names: Mapping[str, str]) -> str:
    lines = [
        [label, *_cells(rows[question + suffix])] for suffix, label in OVERALL.items() if question + suffix in rows
    ]
    return f"**{QUESTIONS[question]}**\n\n" + _escaped_table(["", names["a"], names["b"], "same", "share", "p"], lines)


def _cells(row: Summaries) -> list[str]:
    return [
        *_count_cells(row),
        _interval(row, "prefers_a"),
        f"{row['sign_test_p']['mean']:.3f}" if "sign_test_p" in row else "",
    ]


def _count_cells(row: Summaries) -> list[str]:
    return [f"{row[name]['mean']:.0f}" for name in ("wins_a", "wins_b", "same")]


def _breakdown(what: str, kind: str, rows: ReportRows, names: Mapping[str, str]) -> str:
    """A line for each clip, or each listener, with the counts of every question."""
    keys = [(question, name.removeprefix(question + kind)) for question in QUESTIONS for name in rows
            if name.startswith(question + kind)]  # fmt: skip
    lines = [
        [
            one,
            *(
                " : ".join(_count_cells(rows[name])) if (name := question + kind + one) in rows else ""
                for question in QUESTIONS
            ),
        ]
        for one in dict.fromkeys(one for _, one in keys)
    ]
    return f"By {what}, {names['a']} : {names['b']} : same\n\n" + _escaped_table([what, *QUESTIONS], lines)


def _reliability(rows: ReportRows) -> str:
    """Consistency and agreement, one row per question."""
    found = {name: (rows.get(name + CONSISTENCY, {}), rows.get(name + AGREEMENT, {})) for name in QUESTIONS}
    lines = [
        [name, _interval(twice, "consistent"), _interval(agreed, "agree"), _interval(agreed, "alpha")]
        for name, (twice, agreed) in found.items()
        if twice or agreed
    ]
    header = ["", "same answer when repeated", "pairs of listeners who agree", "Krippendorff's alpha"]
    return _escaped_table(header, lines) if lines else ""


def _interval(row: Summaries, metric: str) -> str:
    return "{mean:.2f} [{low:.2f}, {high:.2f}]".format(**row[metric]) if metric in row else ""


def _escaped_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return markdown_table([cell_text(cell) for cell in header], [[cell_text(cell) for cell in line] for line in lines])
