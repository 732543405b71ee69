"""A scored clip, read back from the folder that it was written to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.errors import UserError
from emotion.values import AffectCurve, EmotionReport, Hearing
from video2music import manifest, midi
from video2music.composition import Composition
from video2music.errors import ManifestError
from video2music.values import Score


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
