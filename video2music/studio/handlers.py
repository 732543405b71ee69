"""The work behind each event of the page, done in a thread; the page itself only asks for it and shows what comes back.

Everything here raises UserError with one sentence, and what the job's own `tell` raises when the visitor stops it.

Any music, judged: what a judge hears in it, and the figures to hand out.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from emotion import judge as judges
from emotion.files import is_midi, whole_file
from emotion.values import EmotionReport
from video2music.composing.target import from_picture
from video2music.errors import OptionError
from video2music.studio import composing, text, uploads
from video2music.studio.curve import begun
from video2music.studio.jobs import Job
from video2music.studio.session import Piece, Visit, favourite
from video2music.studio.views import affect, match, piano_roll
from video2music.studio.views import chords as harmony_chart
from video2music.studio.views import video as watched
from video2music.studio.wishes import Wishes


class Seen(NamedTuple):
    """What was seen in a clip, as HTML, and a drawing of what its picture feels like."""

    view: str
    curve: dict[str, Any]


class Judged(NamedTuple):
    """What was heard in music: the figures, a view of them as HTML, and the figures as a file."""

    figures: dict[str, Any]
    view: str
    file: str


WATCHED = 0.8  # of the time that it takes to watch and to make a strip of pictures


class Views(NamedTuple):
    """The pictures of one variant, each as HTML; `compared` is empty where there is only one."""

    compared: str
    match: str
    chart: str
    piano_roll: str


class Files(NamedTuple):
    """The paths of what a visitor may take home of one variant; no stems where none were wished for."""

    video: str
    music: str
    midi: str
    chart: str
    sheet: str
    chords: str
    stems: str | None
    manifest: str


def watch(job: Job, clip: Path, encoder: str) -> Seen:
    """Look at a clip; the feeling of its picture is the curve to begin a drawing with."""
    uploads.clip(clip, job.limits)
    seen = composing.watch(clip, encoder, lambda stage, share: job.tell(stage, share * WATCHED))
    pictures = watched.thumbnails(clip, seen, tell=lambda share: job.tell("watch", WATCHED + share * (1 - WATCHED)))
    return Seen(watched.view(seen, pictures), begun(from_picture(seen), seen.duration_s))


def compose(job: Job, clip: Path, wished: Wishes) -> tuple[Piece, ...]:
    """Score a clip: a piece for each variant."""
    uploads.clip(clip, job.limits)
    return composing.compose(clip, job.folder, wished.options(job.folder), job.tell)


def reroll(job: Job, piece: Piece, number: int, section: int, locks: Iterable[str]) -> Piece:
    """Draw a piece anew, one section or all but its locks."""
    rolled = composing.roll(piece, job.folder, job.tell, number=number, section=section, locks=locks)
    return replace(rolled, origin=text.origin(piece, section, locks))


def judge(job: Job, music: Path, who: str) -> Judged:
    """Hear a sound or a MIDI file."""
    uploads.music(music, job.limits)
    job.tell("judge", 0.2)
    report = hear(music, who)
    file = written(report, music.name, job.folder)
    return Judged(figures(report, music.name), affect.view(report), str(file))


def views(piece: Piece, visit: Visit) -> Views:
    """All pictures of a variant, beside the others of the visit."""
    others = [replace(one.scored, name=text.variant(one)) for one in visit.pieces]
    return Views(
        match.table(others, best=favourite(visit.pieces)) if len(others) > 1 else "",
        match.view(piece.scored),
        harmony_chart.view(piece.replay.composition),
        piano_roll.view(piece.scored.score),
    )


def files(piece: Piece) -> Files:
    """What there is to take home; now the stems are packed and the manifest told. Raises OSError."""
    made = piece.result
    found = (
        made.video, made.audio, made.midi, made.chart, made.lead_sheet, made.chords, composing.stems(piece),
        composing.told(piece),
    )  # fmt: skip
    return Files._make(str(composing.named(piece, path)) if path else None for path in found)


JUDGES = tuple(judges.LISTENERS)
DEFAULT = "unified"  # hears both kinds, and had no part in choosing a piece


def hear(path: Path, who: str = DEFAULT) -> EmotionReport:
    """What a judge hears in a sound or a MIDI file, told apart by their names. Raises UserError."""
    if who not in JUDGES:
        raise OptionError(f"unknown judge {who!r}: choose one of {', '.join(JUDGES)}")
    heard = judges.load(who)
    return heard.hear(midi=path) if is_midi(path) else heard.hear(path)


def figures(report: EmotionReport, name: str) -> dict[str, Any]:
    """A report as plain data, of a file that was called `name`."""
    whole = report.whole
    return {
        "file": name,
        "valence": round(whole.valence, 4),
        "arousal": round(whole.arousal, 4),
        "quadrant": whole.quadrant,
        "confidence": round(whole.confidence, 4),
        **asdict(report),
    }


def written(report: EmotionReport, name: str, folder: Path) -> Path:
    """The figures as a JSON file in a run's folder. Raises OSError."""
    made = folder / f"{Path(name).stem}.feeling.json"
    with whole_file(made) as partial:
        partial.write_text(json.dumps(figures(report, name), indent=1) + "\n", encoding="utf-8")
    return made
