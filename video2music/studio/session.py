"""A scored clip, read back from the folder that it was written to.

What the server keeps of one visitor: the pieces on the page, and what each of them is.
"""

import itertools
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.errors import UserError
from emotion.values import AffectCurve, EmotionReport, Hearing
from video2music.arranging import midi
from video2music.composing import manifest
from video2music.composing.composition import Composition
from video2music.errors import ManifestError, OptionError
from video2music.options import Result
from video2music.values import Score

if TYPE_CHECKING:
    from video2music.composing.manifest import Replay

    pass  # GONE


@dataclass(frozen=True, eq=False)
class Scored:
    """What was composed for a clip, its notes, and what was heard in it.

    name        of the folder: the clip's, or that of a variant such as v1
    report      of the judge that reports, None where it had no weights
    chosen_by   the judge that chose among beginnings, None where there was one beginning
    candidates  how many beginnings there were
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
        """What the music was to feel like."""
        return self.composition.target


def load(path: Path) -> Scored:
    """Read a manifest and the .mid beside it. Raises ManifestError, MediaError."""
    composition = manifest.read(path).composition
    told, score = json.loads(path.read_text()), midi.read(path.with_suffix(".mid"))
    try:
        report = _report(told["report"]) if told.get("report") else None
        search = told.get("search") or {}
        return Scored(
            path.parent.name,
            composition,
            score,
            report,
            search["judge"]["name"] if search else None,
            len(search["candidates"]) if search else 1,
            search.get("remark"),
        )
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise ManifestError(f"the manifest {path} is not whole ({error}): compose the clip anew") from None


def _report(told: Mapping[str, Any]) -> EmotionReport:
    return EmotionReport(
        **{
            **told,
            "whole": _hearing(told["whole"]),
            "windows": tuple(map(_hearing, told["windows"])),
            "remarks": tuple(told["remarks"]),
        }
    )


def _hearing(told: Mapping[str, Any]) -> Hearing:
    return Hearing(**{**told, "quadrants": tuple(told["quadrants"])})


EVERYTHING = 0  # in place of the number of a section


@dataclass(frozen=True, eq=False)
class Piece:
    """One scored clip: where the upload lies, which run folder is its own, and what was made there.

    `number` is what the page calls it, from 1 on, and `origin` says in words which other piece it was rolled from.
    """

    clip: Path
    folder: Path
    result: Result
    number: int = 1
    origin: str = ""

    @cached_property
    def replay(self) -> "Replay":
        """The composition and its options. Raises ManifestError."""
        from video2music.composing import manifest

        return manifest.read(self.result.manifest)

    @cached_property
    def scored(self) -> "Scored":
        """What there is to show of it. Raises ManifestError, MediaError."""
        pass  # GONE

        return load(self.result.manifest)

    @cached_property
    def match(self) -> float | None:
        """How near to what was wanted the judge hears it, 0 to 1; None where no judge could listen."""
        from emotion import alignment

        report = self.result.report
        return alignment.align(report, self.replay.composition.target).match.score if report else None

    @property
    def sections(self) -> tuple[tuple[float, float], ...]:
        """From and to of each section in s; a pickup belongs to the first, the last rings on."""
        form = self.replay.composition.form
        starts_s = [0.0, *(section.start_s for section in form.sections[1:])]
        return tuple(zip(starts_s, [*starts_s[1:], form.duration_s], strict=True))


class Visit:
    """What the server keeps of one visitor while the page is open: the pieces on it, oldest first.

    A deep copy is a visit of somebody else, which begins with nothing: so every session that a page's state is copied
    for has its own.
    """

    def __init__(self) -> None:
        self.pieces: tuple[Piece, ...] = ()
        self._lock, self._rolls, self._last = threading.Lock(), itertools.count(1), 0

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Visit":
        return Visit()

    def begin(self, pieces: Iterable[Piece]) -> None:
        """Put new pieces in the place of those that were there, numbered from 1 on."""
        with self._lock:
            self.pieces = tuple(replace(piece, number=number) for number, piece in enumerate(pieces, start=1))
            self._last = len(self.pieces)

    def add(self, piece: Piece, most: int) -> tuple[Piece, ...]:
        """Put a piece beside the others under the next number; of more than `most` the oldest go, and are returned."""
        with self._lock:
            self._last += 1
            found = (*self.pieces, replace(piece, number=self._last))
            self.pieces = found[-most:]
            return found[:-most]

    def piece(self, number: float | None) -> Piece:
        """A piece by its number, as a widget gives it. Raises OptionError."""
        for piece in self.pieces:
            if piece.number == number:
                return piece
        here = ", ".join(str(piece.number) for piece in self.pieces)
        advice = f"the page shows {here}" if here else "compose one first"
        raise OptionError(f"there is no variant {number}: {advice}")

    def next_roll(self) -> int:
        """A number that this visit has not had before, to roll a piece with."""
        return next(self._rolls)


def favourite(pieces: Sequence[Piece]) -> int | None:
    """The place of the piece that is heard nearest to what was wanted; None where nobody listened."""
    scores = [-1.0 if piece.match is None else piece.match for piece in pieces]
    return scores.index(max(scores)) if max(scores, default=-1.0) >= 0 else None
