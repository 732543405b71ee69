"""The tables at the end of a batch: a CSV for machines, and an HTML page without scripts that needs no network."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote_from_bytes

from video2music.batch.journal import DONE, FAILED, WAITING, JobResult

TEMPLATE = Path(__file__).parent / "summary.html"
COLUMNS = (
    "clip", "status", "folder", "error", "video", "midi", "duration_s", "seconds", "valence", "arousal", "quadrant",
    "warnings",
)  # fmt: skip


def rows(results: Sequence[JobResult]) -> list[tuple[str, ...]]:
    """The head and a row for each clip, as text."""
    return [COLUMNS, *(tuple(_row(result)[column] for column in COLUMNS) for result in results)]


def _row(result: JobResult) -> dict[str, str]:
    files, emotion = result.files or {}, result.emotion or {}
    return {
        "clip": result.clip,
        "status": result.status,
        "folder": result.name if result.is_done else "",
        "error": result.error,
        "video": files.get("video", ""),
        "midi": files.get("midi", ""),
        "duration_s": _number(result.duration_s),
        "seconds": _number(result.seconds),
        "valence": _number(emotion.get("valence")),
        "arousal": _number(emotion.get("arousal")),
        "quadrant": emotion.get("quadrant", ""),
        "warnings": "; ".join(result.warnings),
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def count_text(results: Sequence[JobResult]) -> str:
    """How many clips are done, failed and waiting, as text."""
    of = Counter(result.status for result in results)
    parts = [f"{of[DONE]} of {len(results)} clips scored"]
    parts += [f"{of[status]} {status}" for status in (FAILED, WAITING) if of[status]]
    return ", ".join(parts)


def page(results: Sequence[JobResult]) -> str:
    """The table as HTML: failures first, links to what was made relative to OUT."""
    # what needs a reader's attention comes first
    order = (FAILED, WAITING, DONE)
    ordered = sorted(results, key=lambda result: order.index(result.status))
    spent = sum(result.seconds or 0.0 for result in results)
    music = sum(result.duration_s or 0.0 for result in results)
    return Template(TEMPLATE.read_text("utf-8")).substitute(
        counts=escape(count_text(results)),
        times=escape(f"{_clock(music)} of music, {_clock(spent)} of computing"),
        rows="\n".join(_html_row(result) for result in ordered),
    )


def _html_row(result: JobResult) -> str:
    row, clip = _row(result), Path(result.clip)
    links = " ".join(_link(path, kind) for kind, path in (result.files or {}).items())
    messages = "".join(f"<p>{escape(text)}</p>" for text in (result.error, *result.warnings) if text)
    predicted = f"{row['valence']} / {row['arousal']} ({row['quadrant']})" if result.emotion else ""
    cells = (row["duration_s"], row["seconds"], predicted)
    return (
        f'<tr class="{result.status}"><td>{result.status}</td>'
        f"<td><b>{escape(clip.name)}</b><small>{escape(str(clip.parent))}</small>{messages}</td>"
        f"<td>{links}</td>{''.join(f'<td class=number>{escape(cell)}</td>' for cell in cells)}</tr>"
    )


def _link(path: str, kind: str) -> str:
    """A link to a file in OUT; its name may hold bytes that are no UTF-8."""
    return f'<a href="./{quote_from_bytes(path.encode(errors="surrogateescape"))}">{escape(kind)}</a>'


def _clock(seconds: float) -> str:
    """As 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
