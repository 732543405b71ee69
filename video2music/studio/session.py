"""What the server keeps of one visitor while the page is open: the pieces on it, read back from their run folders."""

import itertools
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from emotion import alignment
from emotion.errors import UserError
from emotion.values import AffectCurve, EmotionReport, Prediction
from video2music.arranging import midi
from video2music.composing import manifest
from video2music.composing.composition import Composition
from video2music.composing.manifest import Replay
from video2music.errors import ManifestError, OptionError
from video2music.options import Result
from video2music.values import Score

WHOLE_PIECE = 0  # in place of the number of a section


@dataclass(frozen=True, eq=False)
class LoadedPiece:
    """What was composed for a clip, its notes, and what the judge predicted, as the manifest and the .mid have them.

    name        of the folder: the clip's, or that of a variant such as v1
    report      of the judge that reports, None where its weights were missing
    chosen_by   the judge that selected among candidates, None where there was one candidate
    candidates  how many there were
    remark      a sentence where the best of them was not good
    """

    name: str
    composition: Composition
    score: Score
    report: EmotionReport | None
    chosen_by: str | None = None
    candidates: int = 1
    remark: str | None = None

    @property
    def target(self) -> AffectCurve:
        """The emotion that was aimed at."""
        return self.composition.target


def load(path: Path) -> LoadedPiece:
    """Read a manifest and the .mid beside it. Raises ManifestError, MediaError."""
    composition = manifest.read(path).composition
    stored, score = json.loads(path.read_text(encoding="utf-8")), midi.read(path.with_suffix(".mid"))
    try:
        search = stored.get("search") or {}
        return LoadedPiece(
            path.parent.name,
            composition,
            score,
            _report(stored["report"]) if stored.get("report") else None,
            search["judge"]["name"] if search else None,
            len(search["candidates"]) if search else 1,
            search.get("remark"),
        )
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise ManifestError(f"the manifest {path} is not whole ({error}): compose the clip anew") from None


def _report(stored: Mapping[str, Any]) -> EmotionReport:
    def prediction(values: Mapping[str, Any]) -> Prediction:
        return Prediction(**{**values, "quadrants": tuple(values["quadrants"])})

    windows = tuple(map(prediction, stored["windows"]))
    whole, remarks = prediction(stored["whole"]), tuple(stored["remarks"])
    return EmotionReport(**{**stored, "whole": whole, "windows": windows, "remarks": remarks})


@dataclass(frozen=True, eq=False)
class SessionPiece:
    """One scored clip: the upload, the run folder of its own, and the files that were made there.

    `number` is what the page calls it, from 1 on, and `origin` says in words which other piece it was redrawn from.
    """

    clip: Path
    folder: Path
    result: Result
    number: int = 1
    origin: str = ""

    @cached_property
    def replay(self) -> Replay:
        """The composition and its options; reads the manifest. Raises ManifestError."""
        return manifest.read(self.result.manifest)

    @cached_property
    def loaded(self) -> LoadedPiece:
        """All that the page shows of it; reads the manifest and the .mid. Raises ManifestError, MediaError."""
        return load(self.result.manifest)

    @cached_property
    def match(self) -> float | None:
        """How near the prediction is to the target, 0 to 1; None where there is none. Raises ManifestError."""
        report = self.result.report
        return alignment.align(report, self.replay.composition.target).match.score if report else None

    @property
    def sections(self) -> tuple[tuple[float, float], ...]:
        """Start and end of each section in s; a pickup belongs to the first, the last one rings on."""
        form = self.replay.composition.form
        starts_s = [0.0, *(section.start_s for section in form.sections[1:])]
        return tuple(zip(starts_s, [*starts_s[1:], form.duration_s], strict=True))


class Session:
    """The pieces on one visitor's page, oldest first.

    Gradio deep-copies the initial value of a State for every visitor; here the copy is a new, empty session, so that
    locks are not copied and nobody sees the pieces of another.
    """

    def __init__(self) -> None:
        self.pieces: tuple[SessionPiece, ...] = ()
        self._lock, self._redraws, self._last = threading.Lock(), itertools.count(1), 0

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Session":
        return Session()

    def replace_all(self, pieces: Iterable[SessionPiece]) -> None:
        """Put new pieces in the place of those that were there, numbered from 1 on."""
        with self._lock:
            self.pieces = tuple(replace(piece, number=number) for number, piece in enumerate(pieces, start=1))
            self._last = len(self.pieces)

    def add(self, piece: SessionPiece, most: int) -> tuple[SessionPiece, ...]:
        """Add a piece under the next number; of more than `most` the oldest are dropped and returned."""
        with self._lock:
            self._last += 1
            pieces = (*self.pieces, replace(piece, number=self._last))
            self.pieces = pieces[-most:]
            return pieces[:-most]

    def piece(self, number: float | None) -> SessionPiece:
        """A piece by its number, as a widget gives it. Raises OptionError."""
        for piece in self.pieces:
            if piece.number == number:
                return piece
        here = ", ".join(str(piece.number) for piece in self.pieces)
        advice = f"the page shows {here}" if here else "compose one first"
        raise OptionError(f"there is no variant {number}: {advice}")

    def next_redraw(self) -> int:
        """A number that this session has not had before, to seed a redraw with."""
        return next(self._redraws)


def best_match(pieces: Sequence[SessionPiece]) -> int | None:
    """The place of the piece whose prediction is nearest to its target; None where there are no predictions."""
    scores = [-1.0 if piece.match is None else piece.match for piece in pieces]
    return scores.index(max(scores)) if max(scores, default=-1.0) >= 0 else None
