"""What a blind listening kit is made of: its questions, its trials, and the key that says which side is whose."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emotion.errors import DataError, OutputError
from emotion.files import failure, whole_file

KEY = "key.json"
KIT = "kit"
VERSION = 1

SYSTEMS = ("a", "b")
SIDES = ("1", "2")  # as the page calls them, in the order in which they stand
SAME = "same"

QUESTIONS = MappingProxyType({
    "fits": "Which music fits the picture better?",
    "feels": "Which music feels more like the picture?",
    "nicer": "Which is the nicer music, whatever the picture?",
})  # fmt: skip
OF_PICTURE = frozenset({"fits", "feels"})
CERTAIN = MappingProxyType({"sure": "sure", "unsure": "not sure"})
COLUMNS = ("kit", "listener", "trial", *QUESTIONS, "certain", "comment")
"""Of the table that the page saves: a row a trial, each question's answer 1, 2, same, or empty if it was not asked."""


@dataclass(frozen=True)
class Trial:
    """One pair as it is put to a listener.

    number   from 1, in the order of the page
    clip     the stem that both systems' files share
    systems  whose music is 1 and whose is 2: ("a", "b") or ("b", "a")
    media    the names of their files in the kit
    picture  whether there is one, so that it can be asked for
    repeats  the number of the earlier trial that this one is, with its sides swapped
    """

    number: int
    clip: str
    systems: tuple[str, str]
    media: tuple[str, str]
    picture: bool
    repeats: int | None = None

    @property
    def asks(self) -> tuple[str, ...]:
        """The names of the questions that are put."""
        return tuple(name for name in QUESTIONS if self.picture or name not in OF_PICTURE)


@dataclass(frozen=True)
class Key:
    """What joins answers to systems. It stays with whoever made the kit.

    kit          the id that stands in the page and in every table of answers
    systems      the names of the two folders, in the order of SYSTEMS
    trials       in the order of the page
    lufs         the loudness that each clip's two sounds have: the same for both
    """

    kit: str
    systems: tuple[str, str]
    seed: int
    trials: tuple[Trial, ...]
    lufs: Mapping[str, float]

    @property
    def clips(self) -> tuple[str, ...]:
        """Every clip once, in the order of the page."""
        return tuple(dict.fromkeys(trial.clip for trial in self.trials))

    @property
    def names(self) -> Mapping[str, str]:
        """System -> what it is called, told apart where both folders have one name."""
        first, second = self.systems
        return dict(zip(SYSTEMS, (first, second) if first != second else (f"A: {first}", f"B: {second}"), strict=True))

    def trial(self, number: int) -> Trial | None:
        """The trial of that number."""
        return next((trial for trial in self.trials if trial.number == number), None)


def write(key: Key, path: Path) -> None:
    """Write a key as JSON. Raises OutputError."""
    text = json.dumps({"version": VERSION, **asdict(key)}, indent=2) + "\n"
    try:
        with whole_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(failure(error, path)) from None


def read(folder: Path) -> Key:
    """The key of a kit that was made in `folder`. Raises DataError."""
    path = folder / KEY
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise DataError(f"no {KEY} at {folder}: give the folder with -o that the kit was made in") from None
    except ValueError:
        raise DataError(f"{path} is damaged: bring back the {KEY} that was written with the kit") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise DataError(f"{path} is no key of version {VERSION}: bring back the {KEY} that was written with the kit")
    try:
        return _key(found)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path} lacks what a key has: bring back the {KEY} that was written with the kit") from None


def _key(found: Mapping[str, Any]) -> Key:
    trials = tuple(_trial(each) for each in found["trials"])
    first, second = map(str, found["systems"])
    return Key(str(found["kit"]), (first, second), int(found["seed"]), trials, dict(found["lufs"]))


def _trial(found: Mapping[str, Any]) -> Trial:
    first, second = found["systems"]
    if {first, second} != set(SYSTEMS):
        raise ValueError(first)
    return Trial(**{**found, "systems": (first, second), "media": _two(found["media"])})


def _two(names: Sequence[str]) -> tuple[str, str]:
    first, second = names
    return first, second
