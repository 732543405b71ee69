"""What listeners' answers say: wins with a sign test, by clip and by listener, how steady they are, how far they agree.

The sign test is the exact binomial one, two-sided, on the answers that prefer a side; shares have Wilson's 95 %
interval (Journal of the American Statistical Association 22, 1927). Answers of one listener, or about one clip, are not
independent of each other, which the test over all answers takes them to be; hence the rows in which each clip, and
each listener, has one vote. Agreement is the share of pairs of listeners who say the same of a clip, and
Krippendorff's alpha for names (Content Analysis, 1980), 0 for chance and 1 for one voice.

The figures of a listening kit as tables to read.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.report import RESAMPLES, from_summaries
from video2music.evaluate.intervals import Figure, Row, single
from video2music.evaluate.listening.answers import Answer
from video2music.evaluate.listening.key import QUESTIONS, SAME, SYSTEMS, Key

CHOICES = (*SYSTEMS, SAME)

# A row's name is that of its question and one of these.
SURE, BY_CLIP, BY_LISTENER = ", sure", ", a vote a clip", ", a vote a listener"
CLIP, LISTENER = ", clip ", ", listener "  # and its name
TWICE, TOGETHER = ", pairs that came twice", ", agreement"

Counts = NDArray[np.int64]
"""(clips, 3): how many listeners say a, b, same of each."""


def report(key: Key, answers: Sequence[Answer]) -> dict[str, Any]:
    """The standard report of a kit's answers.

    Rows are `fits`, `feels` and `nicer`, each as it is and with `, sure`, `, a vote a clip`, `, a vote a listener`,
    `, clip NAME`, `, listener NAME`, `, pairs that came twice` and `, agreement`. `prefers_a` is the share of those who
    prefer the first system among those who prefer one. Pairs count as they were first heard; what a listener says of
    them the second time goes into `consistent` alone.
    """
    rows: dict[str, Mapping[str, Figure]] = {}
    for question in QUESTIONS:
        asked = [answer for answer in answers if question in answer.choices]
        if asked:
            rows |= {f"{question}{suffix}": row for suffix, row in _rows(question, asked).items() if row}
    data = " against ".join(key.names.values())
    found = from_summaries("listening", data, f"kit {key.kit}", [key.seed], rows)
    return found | {
        "systems": dict(key.names),
        "listeners": len({answer.listener for answer in answers}),
        "trials": len(key.trials),
        "unfinished": _unfinished(key, answers),
        "comments": [_comment(answer) for answer in answers if answer.comment],
    }


def _rows(question: str, asked: Sequence[Answer]) -> dict[str, Mapping[str, Figure]]:
    first = [answer for answer in asked if answer.trial.repeats is None]
    by_clip = _grouped(first, question, lambda answer: answer.trial.clip)
    by_listener = _grouped(first, question, lambda answer: answer.listener)
    said = [answer.choices[question] for answer in first]
    return {
        "": preferences(said),
        SURE: preferences([answer.choices[question] for answer in first if answer.sure]),
        BY_CLIP: preferences([vote(choices) for choices in by_clip.values()]),
        BY_LISTENER: preferences([vote(choices) for choices in by_listener.values()]),
        **{CLIP + clip: preferences(choices) for clip, choices in by_clip.items()},
        **{
            LISTENER + name: {**preferences(choices), **_consistency(question, asked, name)}
            for name, choices in by_listener.items()
        },
        TWICE: _consistency(question, asked),
        TOGETHER: agreement(np.array([_counts(choices) for choices in by_clip.values()])) if by_clip else {},
    }


def _grouped(answers: Iterable[Answer], question: str, group: Callable[[Answer], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for answer in answers:
        found.setdefault(group(answer), []).append(answer.choices[question])
    return dict(sorted(found.items()))


def preferences(choices: Sequence[str]) -> dict[str, Figure]:
    """Counts of a, b and same, the share of a among a and b, and the sign test's p; nothing of no choices.

    Share and p are left out where nobody prefers either.
    """
    if not choices:
        return {}
    a, b, same = _counts(choices)
    found = {"wins_a": single(a), "wins_b": single(b), "same": single(same)}
    return found | ({"prefers_a": share(a, a + b), "sign_test_p": single(sign_test(a, b))} if a + b else {})


def sign_test(a: int, b: int) -> float:
    """Two-sided p of the exact binomial test that either side wins as often; one win at least is needed."""
    from scipy.stats import binomtest

    return float(binomtest(a, a + b).pvalue)


def share(some: int, of: int) -> Figure:
    """A share of at least one with Wilson's 95 % interval."""
    from scipy.stats import binomtest

    interval = binomtest(some, of).proportion_ci(0.95, method="wilson")
    return {"mean": some / of, "low": float(interval.low), "high": float(interval.high), "seeds": [some / of]}


def vote(choices: Sequence[str]) -> str:
    """What most of some choices prefer, same where neither side leads."""
    a, b, _ = _counts(choices)
    return "a" if a > b else "b" if b > a else SAME


def _counts(choices: Sequence[str]) -> tuple[int, int, int]:
    counted = Counter(choices)
    a, b, same = (counted[choice] for choice in CHOICES)
    return a, b, same


def _consistency(question: str, asked: Sequence[Answer], listener: str | None = None) -> dict[str, Figure]:
    """Of the pairs that a listener, or all, heard twice, the share that was answered alike."""
    said = {(answer.listener, answer.trial.number): answer.choices[question] for answer in asked}
    alike = [
        said[earlier] == answer.choices[question]
        for answer in asked
        if listener in (None, answer.listener)
        and answer.trial.repeats
        and (earlier := (answer.listener, answer.trial.repeats)) in said
    ]
    return {"consistent": share(sum(alike), len(alike)), "repeated": single(len(alike))} if alike else {}


def agreement(counts: Counts) -> dict[str, Figure]:
    """Share of pairs of listeners who agree and Krippendorff's alpha, over clips that two at least judged.

    Intervals are of 2000 draws of clips (seed 0). Nothing where there is no such clip; no alpha where all say one word.
    """
    judged = counts[counts.sum(axis=1) > 1]
    if not len(judged):
        return {}
    draws = np.random.default_rng(0).integers(len(judged), size=(RESAMPLES, len(judged)))
    measures = {"agree": pairs_agreeing, "alpha": alpha}
    return {
        name: _drawn(measure(judged), np.array([measure(judged[draw]) for draw in draws]))
        for name, measure in measures.items()
        if np.isfinite(measure(judged))
    }


def _drawn(value: float, again: NDArray[np.float64]) -> Figure:
    low, high = np.nanpercentile(again, (2.5, 97.5))
    return {"mean": value, "low": float(low), "high": float(high), "seeds": [value]}


def pairs_agreeing(counts: Counts) -> float:
    """The share of pairs of listeners, of one clip each, who say the same; (clips, choices), two a clip at least."""
    heard = counts.sum(axis=1)
    return float((counts * (counts - 1)).sum() / (heard * (heard - 1)).sum())


def alpha(counts: Counts) -> float:
    """Krippendorff's alpha of counts (units, names), two a unit at least; not a number where all are one name."""
    heard, total = counts.sum(axis=1), counts.sum()
    observed = ((heard**2 - (counts**2).sum(axis=1)) / (heard - 1)).sum()
    expected = (total**2 - (counts.sum(axis=0) ** 2).sum()) / (total - 1)
    return float(1 - observed / expected) if expected else float("nan")


def _unfinished(key: Key, answers: Sequence[Answer]) -> dict[str, int]:
    """Listener -> how many trials are open, of those who left any."""
    done = Counter(answer.listener for answer in answers)
    return {name: len(key.trials) - count for name, count in sorted(done.items()) if count < len(key.trials)}


def _comment(answer: Answer) -> dict[str, Any]:
    return {"listener": answer.listener, "clip": answer.trial.clip, "comment": answer.comment}


Rows = Mapping[str, Row]
OVERALL = MappingProxyType({"": "all answers", SURE: "those that are sure", BY_CLIP: "a vote a clip",
                            BY_LISTENER: "a vote a listener"})  # fmt: skip
HOW_TO_READ = (
    "The share is of the first system among the answers that prefer one, with Wilson's 95 % interval; p is of the "
    "exact sign test. Answers of one listener are not independent: trust the votes before the answers."
)


def as_text(report: Mapping[str, Any]) -> str:
    """Markdown: what was preferred, by clip, by listener, and how far the answers can be trusted."""
    rows, names = report["rows"], report["systems"]
    kit, number = report["split"].removeprefix("kit "), report["listeners"]
    parts = [
        f"Kit {kit}: {report['data']}, {number} listener{'' if number == 1 else 's'}.",
        _unfinished_table(report),
        HOW_TO_READ,
        *(_preferred(question, rows, names) for question in QUESTIONS if question in rows),
        _singly("clip", CLIP, rows, names),
        _singly("listener", LISTENER, rows, names),
        _trusted(rows),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _unfinished_table(report: Mapping[str, Any]) -> str:
    told = [f"{_plain(name)} ({left} of {report['trials']} open)" for name, left in report["unfinished"].items()]
    return f"Not finished: {', '.join(told)}." if told else ""


def _preferred(question: str, rows: Rows, names: Mapping[str, str]) -> str:
    lines = [
        [label, *_cells(rows[question + suffix])] for suffix, label in OVERALL.items() if question + suffix in rows
    ]
    return f"**{QUESTIONS[question]}**\n\n" + _table(["", names["a"], names["b"], "same", "share", "p"], lines)


def _cells(row: Row) -> list[str]:
    return [
        *_counts_table(row),
        _interval(row, "prefers_a"),
        f"{row['sign_test_p']['mean']:.3f}" if "sign_test_p" in row else "",
    ]


def _counts_table(row: Row) -> list[str]:
    return [f"{row[name]['mean']:.0f}" for name in ("wins_a", "wins_b", "same")]


def _singly(what: str, kind: str, rows: Rows, names: Mapping[str, str]) -> str:
    """A line for each clip, or each listener, with the counts of every question."""
    keys = [(question, name.removeprefix(question + kind)) for question in QUESTIONS for name in rows
            if name.startswith(question + kind)]  # fmt: skip
    lines = [
        [
            one,
            *(
                " : ".join(_counts_table(rows[name])) if (name := question + kind + one) in rows else ""
                for question in QUESTIONS
            ),
        ]
        for one in dict.fromkeys(one for _, one in keys)
    ]
    return f"By {what}, {names['a']} : {names['b']} : same\n\n" + _table([what, *QUESTIONS], lines)


def _trusted(rows: Rows) -> str:
    """How steady listeners are and how far they agree, a row a question."""
    found = {name: (rows.get(name + TWICE, {}), rows.get(name + TOGETHER, {})) for name in QUESTIONS}
    lines = [
        [name, _interval(twice, "consistent"), _interval(agreed, "agree"), _interval(agreed, "alpha")]
        for name, (twice, agreed) in found.items()
        if twice or agreed
    ]
    header = ["", "alike when it came twice", "pairs of listeners who agree", "Krippendorff's alpha"]
    return _table(header, lines) if lines else ""


def _interval(row: Row, metric: str) -> str:
    return "{mean:.2f} [{low:.2f}, {high:.2f}]".format(**row[metric]) if metric in row else ""


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(map(_plain, line))} |" for line in (header, rule, *lines))


def _plain(text: str) -> str:
    """Text of one line and one cell: what listeners send may hold anything, the codes of a terminal too."""
    return "".join(letter if letter.isprintable() else "?" for letter in text).replace("|", "/")
