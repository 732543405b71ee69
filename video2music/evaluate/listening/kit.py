"""Blind listening: two systems' music for the same clips on a page that people answer without knowing whose is whose.

The folder that is sent holds a page and the clips under names that say nothing; the key stays outside it. Pairs and
sides are shuffled, each system stands first in half of them, and a few pairs come twice with their sides swapped: who
hears a difference answers them alike.

The page of a blind listening kit: one file that opens from a disk, without a server and without a network.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotion.errors import DataError, OutputError
from emotion.files import SOUND_NAMES, failure
from video2music.errors import MediaError
from video2music.evaluate.alignment.pairs import SCORED
from video2music.evaluate.listening.blinding import Blinded, blind, whole_folder
from video2music.evaluate.listening.key import (
    CERTAIN,
    COLUMNS,
    KEY,
    KIT,
    QUESTIONS,
    SAME,
    SIDES,
    VERSION,
    Key,
    Trial,
    write,
)
from video2music.media.clip import VIDEO_NAMES

log = logging.getLogger(__name__)

TWICE = 4  # one of so many pairs comes twice, one at least
ID_LETTERS = 12

Pairs = Mapping[str, tuple[Path, Path]]
"""Clip -> the first system's file and the second's."""


@dataclass(frozen=True)
class Turn:
    """A place in the order of a page: which pair, whether the first system's music is 1, and what it repeats.

    `repeats` is the place, from 0, of the turn in which the same pair came first.
    """

    pair: int
    a_first: bool
    repeats: int | None = None


@dataclass(frozen=True)
class Made:
    """The folder to send, the key to keep, and sentences about the clips that are not in it."""

    kit: Path
    key_file: Path
    key: Key
    left_out: tuple[str, ...]


def make(a: Path, b: Path, out: Path, *, seed: int = 0) -> Made:
    """Make `out`/kit, which can be sent, and `out`/key.json, which cannot, of two folders of scored clips.

    A clip that only one folder has, and one that cannot be read, is told and left out. The same folders and seed give
    the same kit. Raises DataError where nothing is left, OutputError where a kit lies there already, MediaError.
    """
    pairs, left_out = matched(a, b)
    _refuse_former(out)
    with whole_folder(_made(out)) as room:
        blinded, damaged = _blinded(pairs, room)
        chosen = {clip: pairs[clip] for clip in blinded}
        digest = _digest(chosen, seed)
        key = _key(digest, (a.resolve().name, b.resolve().name), seed, blinded)
        kit = _kit(key, blinded, room)
        write(key, out / KEY)
        kit.rename(out / KIT)
    return Made(out / KIT, out / KEY, key, (*left_out, *damaged))


def matched(a: Path, b: Path) -> tuple[Pairs, list[str]]:
    """The clips that both folders have, by stem, in order, and a sentence for each other one. Raises DataError."""
    if a.resolve() == b.resolve():
        raise DataError(f"{a} is compared with itself: give the folders of two systems")
    first, second = clips_in(a), clips_in(b)
    both = sorted(first.keys() & second.keys())
    if not both:
        raise DataError(f"{a} and {b} have no clip in common: files of one clip must have the same name in both")
    lonely = {stem: a if stem in first else b for stem in sorted(first.keys() ^ second.keys())}
    told = [f"{stem} is left out: only {folder} has it" for stem, folder in lonely.items()]
    return {stem: (first[stem], second[stem]) for stem in both}, told


def clips_in(folder: Path) -> dict[str, Path]:
    """Stem -> file, at any depth: the videos, or the music files of a folder without videos. Raises DataError.

    Of two files with one stem the one that is called `.scored` counts.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: give one with a system's scored clips")
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _hidden(path.relative_to(folder))]
    videos = [path for path in found if path.suffix.lower() in VIDEO_NAMES]
    by_stem: dict[str, list[Path]] = {}
    for path in videos or [path for path in found if path.suffix.lower() in SOUND_NAMES]:
        by_stem.setdefault(path.stem.removesuffix(SCORED), []).append(path)
    if not by_stem:
        raise DataError(f"there are no clips at {folder}: give a folder with a system's scored videos or music files")
    return {stem: _only(paths) for stem, paths in by_stem.items()}


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _only(paths: Sequence[Path]) -> Path:
    scored = [path for path in paths if path.stem.endswith(SCORED)] or paths
    if len(scored) > 1:
        raise DataError(f"{scored[0]} and {scored[1]} are of one clip: leave one of them in the folder")
    return scored[0]


def order(count: int, rng: np.random.Generator) -> list[Turn]:
    """Shuffle `count` pairs and their sides.

    Each pair comes once, and a quarter of them, one at least where there are two, once more with the sides swapped,
    after another pair at the earliest. Of the pairs that come for the first time each system stands first in as many as
    the other, or in one more.
    """
    pairs = [int(pair) for pair in rng.permutation(count)]
    again = max(1, count // TWICE) if count > 1 else 0
    first = [bool(side) for side in rng.permutation((np.arange(count) + rng.integers(2)) % 2)]
    turns = [Turn(pair, a_first) for pair, a_first in zip(pairs, first, strict=True)]
    head, between, tail = turns[: count // 2], turns[count // 2 : count // 2 + 1], turns[count // 2 + 1 :]
    swapped = [
        Turn(turns[place].pair, not turns[place].a_first, repeats=int(place))
        for place in rng.choice(len(head), again, replace=False)
    ]
    rest = [*tail, *swapped]
    return [*head, *between, *(rest[place] for place in rng.permutation(len(rest)))]


def _refuse_former(out: Path) -> None:
    for name in (KIT, KEY):
        if (out / name).exists():
            raise OutputError(
                f"{out / name} is there already, and a new key would make its answers worthless: give another folder "
                "with -o, or its answers with --answers"
            )


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(failure(error, folder)) from None
    return folder


def _blinded(pairs: Pairs, room: Path) -> tuple[dict[str, Blinded], list[str]]:
    """Each clip's two files, and a sentence for each clip that cannot be read. Raises DataError if none can."""
    found, told = {}, []
    for number, (clip, paths) in enumerate(pairs.items()):
        log.info("clip %d of %d, %s", number + 1, len(pairs), clip)
        try:
            found[clip] = blind(paths, room / str(number))
        except MediaError as error:
            told.append(f"{clip} is left out: {error}")
    if not found:
        raise DataError(f"no clip can be used: {told[0]}")
    return found, told


def _digest(pairs: Pairs, seed: int) -> str:
    """A kit's content in hexadecimal: its id, and what its shuffle begins from, so that no seed gives it away."""
    whole = hashlib.sha256(f"{VERSION} {seed}".encode())
    for clip, paths in pairs.items():
        whole.update(clip.encode("utf-8", "surrogateescape") + b"\0")
        for path in paths:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _key(digest: str, systems: tuple[str, str], seed: int, blinded: Mapping[str, Blinded]) -> Key:
    lufs = {clip: round(each.lufs, 2) for clip, each in blinded.items()}
    trials = shuffled(blinded, np.random.default_rng(int(digest, 16)))
    return Key(digest[:ID_LETTERS], systems, seed, trials, lufs)


def shuffled(blinded: Mapping[str, Blinded], rng: np.random.Generator) -> tuple[Trial, ...]:
    """The trials of some clips, in the order of the page; their files get names whose numbers are drawn, too."""
    clips = list(blinded.items())
    numbers = iter(rng.permutation(2 * len(clips)) + 1)
    names = [[f"m{next(numbers):02d}{file.suffix}" for file in each.files] for _, each in clips]
    trials = []
    for number, turn in enumerate(order(len(clips), rng), start=1):
        (clip, each), (a, b) = clips[turn.pair], names[turn.pair]
        sides = (("a", a), ("b", b)) if turn.a_first else (("b", b), ("a", a))
        (first, one), (second, other) = sides
        repeats = None if turn.repeats is None else turn.repeats + 1
        trials.append(Trial(number, clip, (first, second), (one, other), each.picture, repeats))
    return tuple(trials)


def _kit(key: Key, blinded: Mapping[str, Blinded], room: Path) -> Path:
    """The folder to send, whole, with each file under the name that the key has for it."""
    kit = room / KIT
    kit.mkdir()
    for trial in key.trials:
        if trial.repeats is None:
            for system, name in zip(trial.systems, trial.media, strict=True):
                blinded[trial.clip].files["ab".index(system)].rename(kit / name)
    (kit / "index.html").write_text(page(key), encoding="utf-8")
    return kit


TEMPLATE = Path(__file__).parent / "page.html"
SCRIPT = Path(__file__).parent / "page.js"


def page(key: Key) -> str:
    """The page for a key's trials. It names neither clips nor systems, nor which side is whose."""
    text = json.dumps(shown(key))  # nothing of it was written by a user, who could end the script element
    return TEMPLATE.read_text("utf-8").replace("/*SCRIPT*/", SCRIPT.read_text("utf-8")).replace("/*KIT*/", text)


def shown(key: Key) -> dict[str, Any]:
    """All that the page is told."""
    return {
        "kit": key.kit,
        "columns": COLUMNS,
        "questions": dict(QUESTIONS),
        "choices": {SIDES[0]: "Music 1", SIDES[1]: "Music 2", SAME: "no difference"},
        "certain": dict(CERTAIN),
        "trials": [
            {"number": trial.number, "media": trial.media, "picture": trial.picture, "asks": trial.asks}
            for trial in key.trials
        ],
    }
