"""Pieces for a clip: watched, composed, rolled again whole or in part, and handed out."""

import json
import os
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion.files import whole_file
from video2music import features, pipeline
from video2music.options import Options
from video2music.studio.session import EVERYTHING, Piece
from video2music.values import VideoFeatures

HANDED_OUT = "handed out"  # a folder in that of a run
_ROLL_DRAW = 6  # a stream of its own under the seed, as those of `pipeline`


def watch(clip: Path, encoder: str, progress: pipeline.Progress) -> VideoFeatures:
    """What there is to see in a clip; kept in the cache, so that composing need not look again. Raises UserError."""
    return features.extract(clip, encoder=encoder, progress=lambda share: progress(pipeline.STAGES[0], share))


def compose(clip: Path, folder: Path, options: Options, progress: pipeline.Progress) -> tuple[Piece, ...]:
    """Score a clip into its run folder: a piece for each variant. Raises UserError, and what `progress` raises."""
    result = pipeline.compose(clip, folder, options, progress=progress)
    return tuple(Piece(clip, folder, one) for one in result.variants or (result,))


def roll(
    piece: Piece,
    folder: Path,
    progress: pipeline.Progress,
    *,
    number: int,
    section: int = EVERYTHING,
    locks: Iterable[str] = (),
) -> Piece:
    """The piece drawn anew into a run folder of its own: one section, or EVERYTHING but what is locked.

    The same `number` rolls the same again. Raises UserError, and what `progress` raises.
    """
    replay, kept = piece.replay, frozenset(locks)
    seed = int(np.random.default_rng([replay.options.seed, _ROLL_DRAW, number]).integers(2**31))
    anew = replace(replay, locks=kept, redraw=None) if section == EVERYTHING else replace(replay, redraw=section)
    result = pipeline.compose(
        piece.clip,
        folder,
        replace(replay.options, variants=1, seed=seed),
        replay=None if anew.is_plain else anew,
        progress=progress,
    )
    return Piece(piece.clip, folder, result)


def stems(piece: Piece) -> Path | None:
    """The instruments in a ZIP beside them, None where none were wished for. Raises OSError."""
    folder = piece.result.stems
    if folder is None:
        return None
    made = piece.result.manifest.with_suffix(".stems.zip")
    return made if made.exists() else packed(sorted(folder.iterdir()), made, root=folder)


def packed(files: Iterable[Path], made: Path, *, root: Path) -> Path:
    """A ZIP of files, each called as it lies in `root`; stored as they are, for sound and video hardly shrink."""
    with whole_file(made) as partial, zipfile.ZipFile(partial, "w") as archive:
        for path in files:
            archive.write(path, path.relative_to(root))
    return made


def named(piece: Piece, path: Path) -> Path:
    """A file of a piece under a name that is not that of another variant's. Raises OSError."""
    stem = piece.result.manifest.stem
    if piece.number == 1:
        return path
    made = piece.folder / HANDED_OUT / f"{stem}-{piece.number}{path.name.removeprefix(stem)}"
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        with whole_file(made) as partial:
            try:
                os.link(path, partial)
            except OSError:  # a disk without links
                shutil.copyfile(path, partial)
    return made


def told(piece: Piece) -> Path:
    """The manifest to hand out, without the server's folders. Raises OSError."""
    kept = piece.result.manifest
    made = piece.folder / HANDED_OUT / kept.relative_to(piece.folder)
    made.parent.mkdir(parents=True, exist_ok=True)
    return cleared(kept, made)


def cleared(manifest: Path, made: Path) -> Path:
    """A copy of a manifest that names clip and curve, and not where the server keeps them. Raises OSError."""
    found = json.loads(manifest.read_text(encoding="utf-8"))
    found["input"]["path"] = Path(found["input"]["path"]).name
    if found["options"]["curve"]:
        found["options"]["curve"] = Path(found["options"]["curve"]).name
    with whole_file(made) as partial:
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return made
