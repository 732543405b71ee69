"""The figures of a listening kit as tables to read."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from video2music.evaluate.figures import Row
from video2music.evaluate.listening_figures import BY_CLIP, BY_LISTENER, CLIP, LISTENER, SURE, TOGETHER, TWICE
from video2music.evaluate.listening_key import QUESTIONS

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
        _unfinished(report),
        HOW_TO_READ,
        *(_preferred(question, rows, names) for question in QUESTIONS if question in rows),
        _singly("clip", CLIP, rows, names),
        _singly("listener", LISTENER, rows, names),
        _trusted(rows),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _unfinished(report: Mapping[str, Any]) -> str:
    told = [f"{_plain(name)} ({left} of {report['trials']} open)" for name, left in report["unfinished"].items()]
    return f"Not finished: {', '.join(told)}." if told else ""


def _preferred(question: str, rows: Rows, names: Mapping[str, str]) -> str:
    lines = [
        [label, *_cells(rows[question + suffix])] for suffix, label in OVERALL.items() if question + suffix in rows
    ]
    return f"**{QUESTIONS[question]}**\n\n" + _table(["", names["a"], names["b"], "same", "share", "p"], lines)


def _cells(row: Row) -> list[str]:
    return [
        *_counts(row),
        _interval(row, "prefers_a"),
        f"{row['sign_test_p']['mean']:.3f}" if "sign_test_p" in row else "",
    ]


def _counts(row: Row) -> list[str]:
    return [f"{row[name]['mean']:.0f}" for name in ("wins_a", "wins_b", "same")]


def _singly(what: str, kind: str, rows: Rows, names: Mapping[str, str]) -> str:
    """A line for each clip, or each listener, with the counts of every question."""
    keys = [(question, name.removeprefix(question + kind)) for question in QUESTIONS for name in rows
            if name.startswith(question + kind)]  # fmt: skip
    lines = [
        [
            one,
            *(
                " : ".join(_counts(rows[name])) if (name := question + kind + one) in rows else ""
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
