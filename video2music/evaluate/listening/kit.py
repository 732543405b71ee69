"""Kits for blind listening tests: two systems' music for the same clips on a page, without saying which is whose.

The folder that is sent holds one page, which opens from a disk without server or network, and the clips under names
that reveal nothing; the key stays outside it. Trials and sides are shuffled, each system comes first in half of them,
and a few trials are repeated with swapped sides, which shows how consistent a listener is.
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
from video2music.evaluate.alignment.pairs import SCORED, is_hidden
from video2music.evaluate.listening.blinding import BlindedPair, blind, temporary_folder
from video2music.evaluate.listening.trials import (
    ANSWER_COLUMNS,
    CERTAINTY,
    KEY_FILE,
    KEY_VERSION,
    KIT_FOLDER,
    NO_PREFERENCE,
    QUESTIONS,
    SIDES,
    ListeningTrial,
    TrialKey,
    write_key,
)
from video2music.media.clip import VIDEO_NAMES

log = logging.getLogger(__name__)

REPEAT_EVERY = 4  # one of so many pairs is repeated, one at least
ID_LETTERS = 12

Pairs = Mapping[str, tuple[Path, Path]]
"""Clip -> the first system's file and the second's."""


@dataclass(frozen=True)
class TrialDraw:
    """One drawn trial: the index of its pair, whether the first system's music is 1, and what it repeats.

    `repeats` is the index of the trial in which the same pair came first.
    """

    pair: int
    a_first: bool
    repeats: int | None = None


@dataclass(frozen=True)
class ListeningKit:
    """The folder to send, the key to keep, and messages about clips that were left out."""

    kit: Path
    key_file: Path
    key: TrialKey
    left_out: tuple[str, ...]


def make_kit(a: Path, b: Path, out: Path, *, seed: int = 0) -> ListeningKit:
    """Make `out`/kit, which can be sent, and `out`/key.json, which cannot, of two folders of scored clips.

    Clips that only one folder has or that cannot be read are left out with a message. The same folders and seed give
    the same kit. Raises DataError where nothing is left, OutputError where there is a kit already, MediaError.
    """
    pairs, left_out = match_clips(a, b)
    _refuse_existing(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(failure(error, out)) from None
    with temporary_folder(out) as temporary:
        blinded, damaged = _blinded(pairs, temporary)
        chosen = {clip: pairs[clip] for clip in blinded}
        digest = _digest(chosen, seed)
        key = _key(digest, (a.resolve().name, b.resolve().name), seed, blinded)
        kit = _kit(key, blinded, temporary)
        write_key(key, out / KEY_FILE)  # before the kit: one that was sent without its key would be worthless
        kit.rename(out / KIT_FOLDER)
    return ListeningKit(out / KIT_FOLDER, out / KEY_FILE, key, (*left_out, *damaged))


def match_clips(a: Path, b: Path) -> tuple[Pairs, list[str]]:
    """The clips that both folders have, by stem, in order, and a sentence for each other one. Raises DataError."""
    if a.resolve() == b.resolve():
        raise DataError(f"{a} is compared with itself: give the folders of two systems")
    first, second = clips_in(a), clips_in(b)
    both = sorted(first.keys() & second.keys())
    if not both:
        raise DataError(f"{a} and {b} have no clip in common: files of one clip must have the same name in both")
    unmatched = {stem: a if stem in first else b for stem in sorted(first.keys() ^ second.keys())}
    messages = [f"{stem} is left out: only {folder} has it" for stem, folder in unmatched.items()]
    return {stem: (first[stem], second[stem]) for stem in both}, messages


def clips_in(folder: Path) -> dict[str, Path]:
    """Stem -> file, at any depth: the videos, or the music files of a folder without videos. Raises DataError.

    Of two files with one stem the one that is called `.scored` counts.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: give one with a system's scored clips")
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not is_hidden(path, folder)]
    videos = [path for path in found if path.suffix.lower() in VIDEO_NAMES]
    by_stem: dict[str, list[Path]] = {}
    for path in videos or [path for path in found if path.suffix.lower() in SOUND_NAMES]:
        by_stem.setdefault(path.stem.removesuffix(SCORED), []).append(path)
    if not by_stem:
        raise DataError(f"there are no clips at {folder}: give a folder with a system's scored videos or music files")
    return {stem: _only(paths) for stem, paths in by_stem.items()}


def _only(paths: Sequence[Path]) -> Path:
    scored = [path for path in paths if path.stem.endswith(SCORED)] or paths
    if len(scored) > 1:
        raise DataError(f"{scored[0]} and {scored[1]} are of one clip: leave one of them in the folder")
    return scored[0]


def draw_order(count: int, rng: np.random.Generator) -> list[TrialDraw]:
    """Shuffle `count` pairs and their sides.

    Each pair comes once, and a quarter of them, one at least where there are two, once more with the sides swapped,
    with another pair between at the least. Without the repeats each system comes first in as many as the other, or in
    one more.
    """
    pairs = [int(pair) for pair in rng.permutation(count)]
    again = max(1, count // REPEAT_EVERY) if count > 1 else 0
    first = [bool(side) for side in rng.permutation((np.arange(count) + rng.integers(2)) % 2)]
    turns = [TrialDraw(pair, a_first) for pair, a_first in zip(pairs, first, strict=True)]
    head, between, tail = turns[: count // 2], turns[count // 2 : count // 2 + 1], turns[count // 2 + 1 :]
    swapped = [
        TrialDraw(turns[place].pair, not turns[place].a_first, repeats=int(place))
        for place in rng.choice(len(head), again, replace=False)
    ]
    rest = [*tail, *swapped]
    return [*head, *between, *(rest[place] for place in rng.permutation(len(rest)))]


def _refuse_existing(out: Path) -> None:
    for name in (KIT_FOLDER, KEY_FILE):
        if (out / name).exists():
            raise OutputError(
                f"{out / name} is there already, and a new key would make its answers worthless: give another folder "
                "with -o, or its answers with --answers"
            )


def _blinded(pairs: Pairs, temporary: Path) -> tuple[dict[str, BlindedPair], list[str]]:
    """Each clip's two files, and a sentence for each clip that cannot be read. Raises DataError if none can."""
    found, messages = {}, []
    for number, (clip, paths) in enumerate(pairs.items()):
        log.info("clip %d of %d, %s", number + 1, len(pairs), clip)
        try:
            found[clip] = blind(paths, temporary / str(number))
        except MediaError as error:
            messages.append(f"{clip} is left out: {error}")
    if not found:
        raise DataError(f"no clip can be used: {messages[0]}")
    return found, messages


def _digest(pairs: Pairs, seed: int) -> str:
    """A kit's content in hexadecimal: its id, and what its shuffle begins from, so that no seed gives it away."""
    whole = hashlib.sha256(f"{KEY_VERSION} {seed}".encode())
    for clip, paths in pairs.items():
        whole.update(clip.encode("utf-8", "surrogateescape") + b"\0")
        for path in paths:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _key(digest: str, systems: tuple[str, str], seed: int, blinded: Mapping[str, BlindedPair]) -> TrialKey:
    lufs = {clip: round(each.lufs, 2) for clip, each in blinded.items()}
    trials = draw_trials(blinded, np.random.default_rng(int(digest, 16)))
    return TrialKey(digest[:ID_LETTERS], systems, seed, trials, lufs)


def draw_trials(blinded: Mapping[str, BlindedPair], rng: np.random.Generator) -> tuple[ListeningTrial, ...]:
    """The trials of some clips, in the order of the page; their files get names whose numbers are drawn, too."""
    clips = list(blinded.items())
    numbers = iter(rng.permutation(2 * len(clips)) + 1)
    names = [[f"m{next(numbers):02d}{file.suffix}" for file in each.files] for _, each in clips]
    trials = []
    for number, turn in enumerate(draw_order(len(clips), rng), start=1):
        (clip, each), (a, b) = clips[turn.pair], names[turn.pair]
        sides = (("a", a), ("b", b)) if turn.a_first else (("b", b), ("a", a))
        (first, one), (second, other) = sides
        repeats = None if turn.repeats is None else turn.repeats + 1
        trials.append(ListeningTrial(number, clip, (first, second), (one, other), each.picture, repeats))
    return tuple(trials)


def _kit(key: TrialKey, blinded: Mapping[str, BlindedPair], temporary: Path) -> Path:
    """The folder to send, whole, with each file under the name that the key has for it."""
    kit = temporary / KIT_FOLDER
    kit.mkdir()
    for trial in key.trials:
        if trial.repeats is None:
            for system, name in zip(trial.systems, trial.media, strict=True):
                blinded[trial.clip].files["ab".index(system)].rename(kit / name)
    (kit / "index.html").write_text(page(key), encoding="utf-8")
    return kit


TEMPLATE = Path(__file__).parent / "page.html"
SCRIPT = Path(__file__).parent / "page.js"


def page(key: TrialKey) -> str:
    """The page of a key's trials. It names neither clips nor systems."""
    text = json.dumps(page_data(key))  # nothing of it was written by a user, who could end the script element
    return TEMPLATE.read_text("utf-8").replace("/*SCRIPT*/", SCRIPT.read_text("utf-8")).replace("/*KIT*/", text)


def page_data(key: TrialKey) -> dict[str, Any]:
    """The data that the page's script reads."""
    return {
        "kit": key.kit,
        "columns": ANSWER_COLUMNS,
        "questions": dict(QUESTIONS),
        "choices": {SIDES[0]: "Music 1", SIDES[1]: "Music 2", NO_PREFERENCE: "no difference"},
        "certain": dict(CERTAINTY),
        "trials": [
            {"number": trial.number, "media": trial.media, "picture": trial.picture, "asks": trial.questions}
            for trial in key.trials
        ],
    }
