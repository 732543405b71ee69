"""Trials of a listening test: questions, the key that maps sides to systems, and the answers of listeners.

`kit` writes the key beside the folder that is sent; the page in that folder saves a CSV table of answers, which is
checked here row by row and joined to the key. `results` evaluates the answers.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emotion.errors import DataError, OutputError
from emotion.files import atomic_write, failure

KEY_FILE = "key.json"
KIT_FOLDER = "kit"
KEY_VERSION = 1

SYSTEMS = ("a", "b")
SIDES = ("1", "2")  # as the page calls them, in the order of the page
NO_PREFERENCE = "same"

QUESTIONS = MappingProxyType({
    "fits": "Which music fits the picture better?",
    "feels": "Which music feels more like the picture?",
    "nicer": "Which is the nicer music, whatever the picture?",
})  # fmt: skip
PICTURE_QUESTIONS = frozenset({"fits", "feels"})
CERTAINTY = MappingProxyType({"sure": "sure", "unsure": "not sure"})
ANSWER_COLUMNS = ("kit", "listener", "trial", *QUESTIONS, "certain", "comment")
"""Columns of the table that the page saves, one row per trial; answers are 1, 2, same, or empty if not asked."""


@dataclass(frozen=True)
class ListeningTrial:
    """One pair of musics as it is presented to a listener.

    number   from 1, in the order of the page
    clip     the stem that both systems' files share
    systems  of music 1 and of music 2: ("a", "b") or ("b", "a")
    media    the names of their files in the kit
    picture  whether the files have one, without which two questions are left out
    repeats  the number of the earlier trial that this one repeats with its sides swapped
    """

    number: int
    clip: str
    systems: tuple[str, str]
    media: tuple[str, str]
    picture: bool
    repeats: int | None = None

    @property
    def questions(self) -> tuple[str, ...]:
        """The names of the questions that are asked."""
        return tuple(name for name in QUESTIONS if self.picture or name not in PICTURE_QUESTIONS)


@dataclass(frozen=True)
class TrialKey:
    """Which system is on which side of each trial. It stays with whoever made the kit.

    kit          the id in the page and in every table of answers
    systems      the names of the two folders, in the order of SYSTEMS
    trials       in the order of the page
    lufs         the common loudness of each clip's two sounds
    """

    kit: str
    systems: tuple[str, str]
    seed: int
    trials: tuple[ListeningTrial, ...]
    lufs: Mapping[str, float]

    @property
    def clips(self) -> tuple[str, ...]:
        """Every clip once, in the order of the page."""
        return tuple(dict.fromkeys(trial.clip for trial in self.trials))

    @property
    def names(self) -> Mapping[str, str]:
        """System -> its name, with A and B in front where both folders have the same name."""
        first, second = self.systems
        return dict(zip(SYSTEMS, (first, second) if first != second else (f"A: {first}", f"B: {second}"), strict=True))

    def trial(self, number: int) -> ListeningTrial | None:
        """The trial of that number."""
        return next((trial for trial in self.trials if trial.number == number), None)


def write_key(key: TrialKey, path: Path) -> None:
    """Write a key as JSON. Raises OutputError."""
    text = json.dumps({"version": KEY_VERSION, **asdict(key)}, indent=2) + "\n"
    try:
        with atomic_write(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(failure(error, path)) from None


def read_key(folder: Path) -> TrialKey:
    """The key of a kit that was made in `folder`. Raises DataError."""
    path = folder / KEY_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise DataError(f"no {KEY_FILE} at {folder}: give the folder with -o that the kit was made in") from None
    except ValueError:
        raise DataError(f"{path} is damaged: bring back the {KEY_FILE} that was written with the kit") from None
    if not isinstance(found, dict) or found.get("version") != KEY_VERSION:
        raise DataError(
            f"{path} is no key of version {KEY_VERSION}: bring back the {KEY_FILE} that was written with the kit"
        )
    try:
        trials = tuple(_trial_of(each) for each in found["trials"])
        first, second = map(str, found["systems"])
        return TrialKey(str(found["kit"]), (first, second), int(found["seed"]), trials, dict(found["lufs"]))
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path} is incomplete: bring back the {KEY_FILE} that was written with the kit") from None


def _trial_of(found: Mapping[str, Any]) -> ListeningTrial:
    first, second = found["systems"]
    if {first, second} != set(SYSTEMS):
        raise ValueError(first)
    left, right = found["media"]
    return ListeningTrial(**{**found, "systems": (first, second), "media": (left, right)})


REMEDY = "give the file as the page saved it"


@dataclass(frozen=True)
class TrialAnswer:
    """A listener's answers to a trial: question -> the preferred system, "a" or "b", or "same"."""

    listener: str
    trial: ListeningTrial
    choices: Mapping[str, str]
    sure: bool
    comment: str


def read_answers(paths: Sequence[Path], key: TrialKey) -> list[TrialAnswer]:
    """The answers in CSV files, or in every one of a folder.

    Raises DataError, naming file and line, for what is no such table, belongs to another kit, or comes twice.
    """
    files = {file.resolve(): file for path in paths for file in _files(path)}.values()  # one may be named twice
    answers: list[TrialAnswer] = []
    seen: dict[tuple[str, int], str] = {}
    for file in files:
        for position, answer in _file_answers(file, key):
            former = seen.setdefault((answer.listener, answer.trial.number), position)
            if former != position:
                raise DataError(
                    f"{position} answers pair {answer.trial.number} again for listener {answer.listener}, "
                    f"after {former}: keep the newer file of each listener"
                )
            answers.append(answer)
    if not answers:
        raise DataError(f"there is no answer in {', '.join(map(str, paths))}: give files that the page saved")
    return answers


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv")
    if not found:
        raise DataError(f"there are no .csv files in {path}: give the files that listeners sent back")
    return found


def _file_answers(file: Path, key: TrialKey) -> Iterator[tuple[str, TrialAnswer]]:
    """Each answer with its position, such as `anna.csv, line 3`."""
    lines = _lines(file)
    position, header = next(lines, (str(file), []))
    if tuple(header) != ANSWER_COLUMNS:
        raise DataError(f"{position} does not begin with the columns {','.join(ANSWER_COLUMNS)}: {REMEDY}")
    for position, row in lines:
        if len(row) != len(ANSWER_COLUMNS):
            raise DataError(f"{position} has {len(row)} fields instead of {len(ANSWER_COLUMNS)}: {REMEDY}")
        yield position, _answer(dict(zip(ANSWER_COLUMNS, row, strict=True)), key, position)


def _lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            try:
                yield from ((f"{file}, line {reader.line_num}", row) for row in reader if row)
            except csv.Error as error:
                raise DataError(f"{file}, line {reader.line_num} is no row of a table ({error}): {REMEDY}") from None
    except UnicodeDecodeError:
        raise DataError(f"{file} is no text in UTF-8: {REMEDY}") from None
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): check the name") from None


def _answer(row: Mapping[str, str], key: TrialKey, position: str) -> TrialAnswer:
    if row["kit"] != key.kit:
        raise DataError(f"{position} belongs to kit {row['kit']!r}, and this is {key.kit}: give answers of this kit")
    if not row["listener"]:
        raise DataError(f"{position} names no listener: {REMEDY}")
    trial = key.trial(int(row["trial"])) if row["trial"].isdecimal() else None
    if trial is None:
        raise DataError(f"{position} answers pair {row['trial']!r}, and there are {len(key.trials)}: {REMEDY}")
    if row["certain"] not in CERTAINTY:
        raise DataError(f"{position} says {row['certain']!r} where {' or '.join(CERTAINTY)} belongs: {REMEDY}")
    choices = {name: _choice(row[name], trial, name, position) for name in trial.questions}
    for name in QUESTIONS.keys() - choices.keys():
        if row[name]:
            raise DataError(f"{position} answers {name!r}, which was not asked of that pair: {REMEDY}")
    return TrialAnswer(row["listener"], trial, choices, row["certain"] == "sure", row["comment"])


def _choice(choice: str, trial: ListeningTrial, question: str, position: str) -> str:
    """The system on the chosen side."""
    systems = dict(zip(SIDES, trial.systems, strict=True)) | {NO_PREFERENCE: NO_PREFERENCE}
    if choice not in systems:
        raise DataError(f"{position} says {choice!r} to {question!r} where {', '.join(systems)} belongs: {REMEDY}")
    return systems[choice]
