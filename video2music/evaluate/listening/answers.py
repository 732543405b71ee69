"""The tables that listeners send back, checked row by row and joined to the key."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion.errors import DataError
from video2music.evaluate.listening.key import CERTAIN, COLUMNS, QUESTIONS, SAME, SIDES, Key, Trial

HAND_IN = "give the file as the page saved it"


@dataclass(frozen=True)
class Answer:
    """What a listener says of a trial: by question the system that is preferred, "a" or "b", or "same"."""

    listener: str
    trial: Trial
    choices: Mapping[str, str]
    sure: bool
    comment: str


def read(paths: Sequence[Path], key: Key) -> list[Answer]:
    """The answers in CSV files, or in every one of a folder.

    Raises DataError, naming file and line, for what is no such table, belongs to another kit, or comes twice.
    """
    files = {file.resolve(): file for path in paths for file in _files(path)}.values()  # one may be named twice
    answers: list[Answer] = []
    places: dict[tuple[str, int], str] = {}
    for file in files:
        for place, answer in _answers(file, key):
            former = places.setdefault((answer.listener, answer.trial.number), place)
            if former != place:
                raise DataError(
                    f"{place} answers pair {answer.trial.number} again for listener {answer.listener}, after {former}: "
                    "keep the newer file of each listener"
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


def _answers(file: Path, key: Key) -> Iterator[tuple[str, Answer]]:
    """Each answer with its place, as in `anna.csv, line 3`."""
    lines = _lines(file)
    place, header = next(lines, (str(file), []))
    if tuple(header) != COLUMNS:
        raise DataError(f"{place} does not begin with the columns {','.join(COLUMNS)}: {HAND_IN}")
    for place, row in lines:
        if len(row) != len(COLUMNS):
            raise DataError(f"{place} has {len(row)} fields instead of {len(COLUMNS)}: {HAND_IN}")
        yield place, _answer(dict(zip(COLUMNS, row, strict=True)), key, place)


def _lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            try:
                yield from ((f"{file}, line {reader.line_num}", row) for row in reader if row)
            except csv.Error as error:
                raise DataError(f"{file}, line {reader.line_num} is no row of a table ({error}): {HAND_IN}") from None
    except UnicodeDecodeError:
        raise DataError(f"{file} is no text in UTF-8: {HAND_IN}") from None
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): check the name") from None


def _answer(row: Mapping[str, str], key: Key, place: str) -> Answer:
    if row["kit"] != key.kit:
        raise DataError(f"{place} belongs to kit {row['kit']!r}, and this is {key.kit}: give answers of this kit")
    if not row["listener"]:
        raise DataError(f"{place} names no listener: {HAND_IN}")
    trial = key.trial(int(row["trial"])) if row["trial"].isdecimal() else None
    if trial is None:
        raise DataError(f"{place} answers pair {row['trial']!r}, and there are {len(key.trials)}: {HAND_IN}")
    if row["certain"] not in CERTAIN:
        raise DataError(f"{place} says {row['certain']!r} where {' or '.join(CERTAIN)} belongs: {HAND_IN}")
    choices = {name: _choice(row[name], trial, name, place) for name in trial.asks}
    for name in QUESTIONS.keys() - choices.keys():
        if row[name]:
            raise DataError(f"{place} answers {name!r}, which was not asked of that pair: {HAND_IN}")
    return Answer(row["listener"], trial, choices, row["certain"] == "sure", row["comment"])


def _choice(said: str, trial: Trial, question: str, place: str) -> str:
    """The system that a side stands for."""
    systems = dict(zip(SIDES, trial.systems, strict=True)) | {SAME: SAME}
    if said not in systems:
        raise DataError(f"{place} says {said!r} to {question!r} where {', '.join(systems)} belongs: {HAND_IN}")
    return systems[said]
