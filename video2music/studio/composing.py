"""Pieces for the page: clips are analysed and scored, pieces redrawn whole or in part, and their downloads made."""

import json
import os
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion.files import atomic_write
from video2music import features, pipeline
from video2music.options import Options
from video2music.studio.session import WHOLE_PIECE, SessionPiece
from video2music.values import RandomStream, VideoFeatures

DOWNLOADS = "downloads"  # a folder in that of a run


def analyse(clip: Path, encoder: str, progress: pipeline.Progress) -> VideoFeatures:
    """The features of a clip; they stay in the cache, where composing finds them. Raises UserError."""
    return features.extract(clip, encoder=encoder, progress=lambda share: progress(pipeline.STAGES[0], share))


def compose(clip: Path, folder: Path, options: Options, progress: pipeline.Progress) -> tuple[SessionPiece, ...]:
    """Score a clip into its run folder: a piece for each variant. Raises UserError, and what `progress` raises."""
    result = pipeline.compose(clip, folder, options, progress=progress)
    return tuple(SessionPiece(clip, folder, one) for one in result.variants or (result,))


def redraw(
    piece: SessionPiece,
    folder: Path,
    progress: pipeline.Progress,
    *,
    number: int,
    section: int = WHOLE_PIECE,
    locks: Iterable[str] = (),
) -> SessionPiece:
    """The piece drawn again into a run folder of its own: one section, or WHOLE_PIECE but for what is locked.

    The same `number` gives the same piece. Raises UserError, and what `progress` raises.
    """
    replay, kept = piece.replay, frozenset(locks)
    seed = int(np.random.default_rng([replay.options.seed, RandomStream.PAGE, number]).integers(2**31))
    whole = section == WHOLE_PIECE
    again = replace(replay, locks=kept, redraw=None) if whole else replace(replay, redraw=section)
    result = pipeline.compose(
        piece.clip,
        folder,
        replace(replay.options, variants=1, seed=seed),
        replay=None if again.is_unchanged else again,
        progress=progress,
    )
    return SessionPiece(piece.clip, folder, result)


def stems_zip(piece: SessionPiece) -> Path | None:
    """The instruments in a ZIP beside them, None where none were asked for. Raises OSError."""
    folder = piece.result.stems
    if folder is None:
        return None
    path = piece.result.manifest.with_suffix(".stems.zip")
    return path if path.exists() else write_zip(sorted(folder.iterdir()), path, root=folder)


def write_zip(files: Iterable[Path], path: Path, *, root: Path) -> Path:
    """A ZIP of files, named by their place in `root`; stored uncompressed, for sound and video hardly shrink."""
    with atomic_write(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(root))
    return path


def numbered(piece: SessionPiece, path: Path) -> Path:
    """A file of a piece under a name that is not that of another variant's. Raises OSError."""
    stem = piece.result.manifest.stem
    if piece.number == 1:
        return path
    link = piece.folder / DOWNLOADS / f"{stem}-{piece.number}{path.name.removeprefix(stem)}"
    if not link.exists():
        link.parent.mkdir(exist_ok=True)
        with atomic_write(link) as partial:
            try:
                os.link(path, partial)
            except OSError:  # a disk without links
                shutil.copyfile(path, partial)
    return link


def public_manifest(piece: SessionPiece) -> Path:
    """A copy of the manifest to download, without the server's folders. Raises OSError."""
    original = piece.result.manifest
    copy = piece.folder / DOWNLOADS / original.relative_to(piece.folder)
    copy.parent.mkdir(parents=True, exist_ok=True)
    return copy_without_folders(original, copy)


def copy_without_folders(manifest: Path, path: Path) -> Path:
    """A copy of a manifest that names clip and curve, and not where the server keeps them. Raises OSError."""
    stored = json.loads(manifest.read_text(encoding="utf-8"))
    stored["input"]["path"] = Path(stored["input"]["path"]).name
    if stored["options"]["curve"]:
        stored["options"]["curve"] = Path(stored["options"]["curve"]).name
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return path
