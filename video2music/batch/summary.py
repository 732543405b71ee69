"""The tables at the end of a batch: a CSV for machines, and a page that needs no network and no script."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote_from_bytes

from video2music.batch.journal import DONE, FAILED, WAITING, Outcome

TEMPLATE = Path(__file__).parent / "summary.html"
COLUMNS = (
    "clip", "status", "folder", "sentence", "video", "midi", "duration_s", "seconds", "valence", "arousal", "quadrant",
    "notes",
)  # fmt: skip


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The head and a row for each clip, as text."""
    return [COLUMNS, *(tuple(_row(outcome)[column] for column in COLUMNS) for outcome in outcomes)]


def _row(outcome: Outcome) -> dict[str, str]:
    files, heard = outcome.files or {}, outcome.heard or {}
    return {
        "clip": outcome.clip,
        "status": outcome.status,
        "folder": outcome.name if outcome.is_done else "",
        "sentence": outcome.sentence,
        "video": files.get("video", ""),
        "midi": files.get("midi", ""),
        "duration_s": _number(outcome.duration_s),
        "seconds": _number(outcome.seconds),
        "valence": _number(heard.get("valence")),
        "arousal": _number(heard.get("arousal")),
        "quadrant": heard.get("quadrant", ""),
        "notes": "; ".join(outcome.notes),
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def counted(outcomes: Sequence[Outcome]) -> str:
    """How many clips came to what, in words."""
    of = Counter(outcome.status for outcome in outcomes)
    parts = [f"{of[DONE]} of {len(outcomes)} clips scored"]
    parts += [f"{of[status]} {status}" for status in (FAILED, WAITING) if of[status]]
    return ", ".join(parts)


def page(outcomes: Sequence[Outcome]) -> str:
    """The table as HTML: failures first, links to what was made relative to OUT."""
    ranks = (FAILED, WAITING, DONE)
    ordered = sorted(outcomes, key=lambda outcome: ranks.index(outcome.status))
    spent = sum(outcome.seconds or 0.0 for outcome in outcomes)
    music = sum(outcome.duration_s or 0.0 for outcome in outcomes)
    return Template(TEMPLATE.read_text("utf-8")).substitute(
        counted=escape(counted(outcomes)),
        times=escape(f"{_clock(music)} of music, {_clock(spent)} of work"),
        rows="\n".join(_shown(outcome) for outcome in ordered),
    )


def _shown(outcome: Outcome) -> str:
    row, clip = _row(outcome), Path(outcome.clip)
    links = " ".join(_link(path, kind) for kind, path in (outcome.files or {}).items())
    told = "".join(f"<p>{escape(text)}</p>" for text in (outcome.sentence, *outcome.notes) if text)
    heard = f"{row['valence']} / {row['arousal']} ({row['quadrant']})" if outcome.heard else ""
    cells = (row["duration_s"], row["seconds"], heard)
    return (
        f'<tr class="{outcome.status}"><td>{outcome.status}</td>'
        f"<td><b>{escape(clip.name)}</b><small>{escape(str(clip.parent))}</small>{told}</td>"
        f"<td>{links}</td>{''.join(f'<td class=number>{escape(cell)}</td>' for cell in cells)}</tr>"
    )


def _link(path: str, kind: str) -> str:
    """A link to a file in OUT, whatever bytes its name has."""
    return f'<a href="./{quote_from_bytes(path.encode(errors="surrogateescape"))}">{escape(kind)}</a>'


def _clock(seconds: float) -> str:
    """As in 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
