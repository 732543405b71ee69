"""The figures of a listening kit as tables to read."""

from collections.abc import Mapping, Sequence
from typing import Any

from video2music.evaluate.figures import Row
from video2music.evaluate.listening_key import QUESTIONS

OVERALL = ("", ", sure", ", a vote a clip", ", a vote a listener")


def as_text(report: Mapping[str, Any]) -> str:
    """Markdown: what was preferred, by clip, by listener, and how far the answers can be trusted."""
    rows, names = report["rows"], report["systems"]
    parts = [
        f"Kit {report['split'].removeprefix('kit ')}: {report['data']}, {_counted(report['listeners'], 'listener')}.",
        *_unfinished(report),
        "The share is of the first system among the answers that prefer one, with Wilson's 95 % interval; p is of the "
        "exact sign test. Answers of one listener are not independent: trust the votes before the answers.",
        *(_preferred(question, rows, names) for question in QUESTIONS if question in rows),
        _trusted(rows),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _unfinished(report: Mapping[str, Any]) -> list[str]:
    told = [f"{name} ({left} of {report['trials']} open)" for name, left in report["unfinished"].items()]
    return [f"Not finished: {', '.join(told)}."] if told else []


def _preferred(question: str, rows: Mapping[str, Row], names: Mapping[str, str]) -> str:
    singled = [
        name.removeprefix(question) for name in rows if name.startswith((f"{question}, clip ", f"{question}, li"))
    ]
    lines = [
        [
            f"all answers{suffix}" if suffix in OVERALL[:2] else suffix.removeprefix(", "),
            *_cells(rows[question + suffix]),
        ]
        for suffix in (*OVERALL, *singled)
        if question + suffix in rows
    ]
    return f"**{QUESTIONS[question]}**\n\n" + _table(["", names["a"], names["b"], "same", "share", "p"], lines)


def _cells(row: Row) -> list[str]:
    counts = [f"{row[name]['mean']:.0f}" for name in ("wins_a", "wins_b", "same")]
    return [*counts, _interval(row, "prefers_a"), f"{row['sign_test_p']['mean']:.3f}" if "sign_test_p" in row else ""]


def _trusted(rows: Mapping[str, Row]) -> str:
    """How steady listeners are and how far they agree, a row a question."""
    found = {
        name: (rows.get(f"{name}, pairs that came twice", {}), rows.get(f"{name}, agreement", {})) for name in QUESTIONS
    }
    lines = [
        [name, _interval(twice, "consistent"), _interval(agreed, "agree"), _interval(agreed, "alpha")]
        for name, (twice, agreed) in found.items()
        if twice or agreed
    ]
    return (
        _table(["", "answered alike twice", "pairs of listeners who agree", "Krippendorff's alpha"], lines)
        if lines
        else ""
    )


def _interval(row: Row, metric: str) -> str:
    return "{mean:.2f} [{low:.2f}, {high:.2f}]".format(**row[metric]) if metric in row else ""


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in (header, rule, *lines))
