"""The catalogue: data sets of music with emotion labels, as the survey of Kang and Herremans lists them.

J. Kang, D. Herremans, "Are we there yet? A brief survey of music emotion prediction datasets, models and outstanding
challenges", arXiv 2406.08809. The rows are `datasets/catalogue.csv`; sets with a reader (emotion.data.registry) have a
card with more detail. Listed by `python -m emotion datasets`.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion.data import cards
from emotion.errors import DataError

SOUND = ("MP3", "WAV", "Audio")  # media that are sound: all of them match `sound`
LABELS = ("dimensional", "categorical")  # fields of a CatalogueEntry


@dataclass(frozen=True)
class CatalogueEntry:
    """A data set: how many items of what length, their media, its labels, whether they change over time, and its page.

    `categorical` and `dimensional` are empty where it has no such labels, `url` where the survey gives none, and
    `reader` where emotion.data.registry.DATASETS has no such key. `emotion` is perceived or induced, `time` static,
    dynamic or both.
    """

    name: str
    year: int
    instances: int
    length: str
    media: tuple[str, ...]
    categorical: str
    dimensional: str
    time: str
    emotion: str
    url: str
    reader: str


def read(path: Path | None = None) -> list[CatalogueEntry]:
    """All data sets by year, in the order of the file within a year; `path` None: those that ship. Raises DataError."""
    path = path or cards.path("catalogue.csv")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            entries = [_entry(row) for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"the catalogue {path} cannot be read ({error}): restore the file") from None
    return sorted(entries, key=lambda entry: entry.year)


def _entry(row: dict[str, str]) -> CatalogueEntry:
    numbers = {name: int(row.pop(name)) for name in ("year", "instances")}
    media = tuple(word.strip() for word in row.pop("media").split(","))
    return CatalogueEntry(**numbers, media=media, **row)  # type: ignore[arg-type]


def select(
    entries: Sequence[CatalogueEntry], *, media: str | None = None, labels: str | None = None
) -> list[CatalogueEntry]:
    """The data sets that have a medium (in any case; `sound` is any of SOUND), and labels of a kind of LABELS.

    None does not filter. Raises DataError for a word that no data set has, with the choices.
    """
    found = list(entries)
    if media is not None:
        known = sorted({medium for entry in entries for medium in entry.media}, key=str.casefold)
        medium = _choice(media, [*known, "sound"], called="medium")
        found = [entry for entry in found if set(SOUND if medium == "sound" else [medium]) & set(entry.media)]
    if labels is not None:
        kind = _choice(labels, LABELS, called="kind of labels")
        found = [entry for entry in found if getattr(entry, kind)]
    return found


def _choice(word: str, choices: Iterable[str], *, called: str) -> str:
    """The choice that a word is, whatever its case. Raises DataError."""
    found = {choice.casefold(): choice for choice in choices}
    if word.casefold() not in found:
        raise DataError(f"no data set has the {called} {word!r}: choose one of {', '.join(found.values())}")
    return found[word.casefold()]
