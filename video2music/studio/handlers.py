"""The work behind the page's events, run in threads by `jobs.JobRunner`; the page shows what comes back.

Everything here raises UserError with one sentence, and what the job's `progress` raises when it is cancelled.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from emotion import judge as judges
from emotion.files import atomic_write, is_midi
from emotion.values import EmotionReport
from video2music.composing.target import video_target
from video2music.errors import OptionError
from video2music.studio import composing, text, uploads
from video2music.studio.curve import simplified
from video2music.studio.jobs import JobContext
from video2music.studio.score_form import ScoreForm
from video2music.studio.session import Session, SessionPiece, best_match
from video2music.studio.views import affect, chords, match, piano_roll, video

EXTRACTION_SHARE = 0.8  # of the time of an analysis; the rest decodes the clip again for a strip of pictures


class ClipAnalysis(NamedTuple):
    """The features of a clip as HTML, and the emotion of its picture as a curve to edit."""

    view: str
    curve: dict[str, Any]


class Views(NamedTuple):
    """The views of one variant, each as HTML; `compared` is empty where there is only one."""

    compared: str
    match: str
    chart: str
    notes: str


class Files(NamedTuple):
    """The paths of the downloads of one variant; no stems where none were asked for."""

    video: str
    music: str
    midi: str
    chart: str
    sheet: str
    chords: str
    stems: str | None
    manifest: str


class JudgeResult(NamedTuple):
    """A prediction for any music: its values, a view of them as HTML, and a JSON file of the values."""

    values: dict[str, Any]
    view: str
    file: str


def analyse(job: JobContext, clip: Path, encoder: str) -> ClipAnalysis:
    """Extract the features of a clip."""
    uploads.clip(clip, job.limits)
    stage = "extract"
    features = composing.analyse(clip, encoder, lambda _, share: job.progress(stage, share * EXTRACTION_SHARE))
    rest = 1 - EXTRACTION_SHARE
    pictures = video.thumbnails(
        clip, features, progress=lambda share: job.progress(stage, EXTRACTION_SHARE + share * rest)
    )
    return ClipAnalysis(video.view(features, pictures), simplified(video_target(features), features.duration_s))


def compose(job: JobContext, clip: Path, form: ScoreForm) -> tuple[SessionPiece, ...]:
    """Score a clip: a piece for each variant."""
    uploads.clip(clip, job.limits)
    return composing.compose(clip, job.folder, form.options(job.folder), job.progress)


def redraw(job: JobContext, piece: SessionPiece, number: int, section: int, locks: Iterable[str]) -> SessionPiece:
    """Draw one section of a piece again, or all but its locks."""
    again = composing.redraw(piece, job.folder, job.progress, number=number, section=section, locks=locks)
    return replace(again, origin=text.origin(piece, section, locks))


def show(piece: SessionPiece, session: Session) -> Views:
    """All views of a variant, beside the others of the session; reads manifests and MIDI files."""
    named = [replace(one.loaded, name=text.variant_name(one)) for one in session.pieces]
    return Views(
        match.table(named, best=best_match(session.pieces)) if len(named) > 1 else "",
        match.view(piece.loaded),
        chords.view(piece.loaded.composition),
        piano_roll.view(piece.loaded.score),
    )


def files(piece: SessionPiece) -> Files:
    """The downloads; only now are the stems packed and the manifest copied. Raises OSError."""
    made = piece.result
    paths = (
        made.video, made.audio, made.midi, made.chart, made.lead_sheet, made.chords, composing.stems_zip(piece),
        composing.public_manifest(piece),
    )  # fmt: skip
    return Files._make(str(composing.numbered(piece, path)) if path else None for path in paths)


def judge(job: JobContext, music: Path, name: str) -> JudgeResult:
    """Predict the emotion of an uploaded sound or MIDI file."""
    uploads.music(music, job.limits)
    job.progress("judge", 0.2)
    report = predict(music, name)
    values = report_values(report, music.name)
    path = job.folder / f"{music.stem}.emotion.json"
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return JudgeResult(values, affect.view(report), str(path))


def predict(path: Path, name: str = judges.DEFAULT_JUDGE) -> EmotionReport:
    """What a judge predicts for a sound or MIDI file; the kind is known by the file's name. Raises UserError."""
    if name not in judges.JUDGES:
        raise OptionError(f"unknown judge {name!r}: choose one of {', '.join(judges.JUDGES)}")
    judge = judges.load(name)
    return judge.predict(midi=path) if is_midi(path) else judge.predict(path)


def report_values(report: EmotionReport, name: str) -> dict[str, Any]:
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
