"""Labelled recordings: what the readers of sound have in common, and folds that no song and no artist crosses.

DEAM (Aljanaki, Yang, Soleymani, PLoS ONE 2017): 1,802 recordings, rated for valence and arousal as a whole.

The files and columns are those of datasets/deam/card.toml. Songs numbered up to 1000 are those of emoMusic. In the
common edition of the ratings the columns of these songs stand under each other's headings; the card tells how that was
seen, and which rows give the edition away.

emoMusic (Soleymani and others, CrowdMM 2013): 744 excerpts of 45 s, rated for valence and arousal as a whole.

The files and columns are those of datasets/emomusic/card.toml. Its songs are the first 744 of DEAM, under the same
numbers; `Recording.song` is the same for both.

The 4Q audio emotion set (Panda, Malheiro, Paiva 2018): excerpts of 30 s, a quadrant each.

The files and columns are those of datasets/fourq/card.toml; the sounds may be in any format that can be read.

MTG-Jamendo, mood and theme (Bogdanov and others 2019): whole tracks with the tags that uploaders gave them.

The files and columns are those of datasets/mtg_jamendo/card.toml. Artists and tracks go by their numbers at Jamendo.

PMEmo (Zhang and others, ICMR 2018): the choruses of 767 pop songs, rated for valence and arousal as a whole.

The files and columns are those of datasets/pmemo/card.toml. The ratings are of what listeners felt, not of what they
heard the music say.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emotion.affect import QUADRANTS
from emotion.data import cards
from emotion.data.cards import Card
from emotion.data.pieces import assert_disjoint, tied
from emotion.errors import DataError

RATED = ("name", "valence", "arousal")


@dataclass(frozen=True)
class Recording:
    """A recording by its name and sound file; `song` and `artist` are what splits keep together (empty: unknown).

    A song that is in two data sets has one `song`. `quadrant` counts from 0 in the order of emotion.affect.QUADRANTS;
    `affect` is valence and arousal in [-1, 1]; both are None where the set does not tell.
    """

    name: str
    path: Path
    song: str
    artist: str
    quadrant: int | None = None
    affect: tuple[float, float] | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.quadrant is not None and self.quadrant not in range(len(QUADRANTS)):
            raise DataError(f"{self.name} has the quadrant {self.quadrant}: it counts from 0 to {len(QUADRANTS) - 1}")
        if self.affect is not None and not all(-1 <= value <= 1 for value in self.affect):
            raise DataError(f"{self.name} has valence and arousal {self.affect}: they run from -1 to 1")

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """What must stay on one side of a split: the song and the artist, where they are known."""
        return tuple((kind, name) for kind, name in (("song", self.song), ("artist", self.artist)) if name)


def by_name(folder: Path, card: Card) -> dict[str, Path]:
    """The sound files of a data set by their names without endings. Raises DataError."""
    return {path.name.partition(".")[0]: path for path in cards.find(folder, card, "sounds")}


def sound_of(name: str, sounds: Mapping[str, Path], card: Card) -> Path:
    """The sound file of an item. Raises DataError where there is none."""
    if name not in sounds:
        raise DataError(
            f"{name} of {card.name} has no sound file {card.file('sounds').of(name)}: fetch the audio again"
        )
    return sounds[name]


def on_plane(text: str, scale: tuple[float, float]) -> float:
    """A rating in [-1, 1], from text on a scale from its lowest to its highest value. Raises ValueError."""
    low, high = scale
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"{value:g} is not between {low:g} and {high:g}")
    return 2 * (value - low) / (high - low) - 1


def artist_key(text: str) -> str:
    """An artist's name as splits compare it: without case, quotes and doubled spaces; `n/a` is nobody."""
    key = " ".join(text.strip(' \t"').casefold().split())
    return "" if key == "n/a" else key


def artists(folder: Path, card: Card, *roles: str) -> dict[str, str]:
    """The artists of a data set's items by name, from the tables of these roles. Raises DataError."""
    listed = [row for role in roles for row in cards.rows(folder, card, role, needs=("name", "artist"))]
    return {row["name"]: artist_key(row["artist"]) for row in listed}


def rated(
    folder: Path,
    card: Card,
    *,
    artists: Mapping[str, str],
    roles: Sequence[str] = ("ratings",),
    swapped: Callable[[str], bool] = lambda name: False,
) -> list[Recording]:
    """The rated recordings of a data set, in the order of the ratings in the tables of these roles. Raises DataError.

    `swapped` tells of an item by name whether its columns of valence and arousal hold each other's ratings.
    """
    sounds, found = by_name(folder, card), []
    for role in roles:
        for row in cards.rows(folder, card, role, needs=RATED):
            name = row["name"]
            point = _point(row, card, role)
            affect = point[::-1] if swapped(name) else point
            path = sound_of(name, sounds, card)
            found.append(Recording(name, path, f"{card.songs}/{name}", artists.get(name, ""), affect=affect))
    return found


def _point(row: Mapping[str, str], card: Card, role: str) -> tuple[float, float]:
    """What stands under valence and arousal, in [-1, 1]. Raises DataError."""
    scale = card.file(role).scale
    if scale is None:
        raise DataError(f"the card of {card.key} gives its {role} no scale: restore the file")
    try:
        return on_plane(row["valence"], scale), on_plane(row["arousal"], scale)
    except ValueError as error:
        told = f"{row['name']} of {card.name} has an unreadable rating ({error}): fetch the set again"
        raise DataError(told) from None


def even_folds(recordings: Sequence[Recording], *, count: int) -> list[list[Recording]]:
    """The recordings, of one set or of several at once, in `count` folds that no song and no artist crosses.

    Recordings that a song or an artist ties together, be it through others, go together into the smallest fold, the
    largest bunches first and equal ones by the checksum of their first song: without chance, whatever their order.
    Give all sets that are learnt from at once: one by one, an artist of two sets may end in two folds.
    """
    sides: list[list[Recording]] = [[] for _ in range(count)]
    bunches = ([recordings[place] for place in places] for places in tied([each.groups for each in recordings]))
    for bunch in sorted(bunches, key=_largest_first):
        min(sides, key=len).extend(bunch)
    return sides


def _largest_first(bunch: Sequence[Recording]) -> tuple[int, int, str]:
    first = min(each.song or each.name for each in bunch)
    return -len(bunch), zlib.crc32(first.encode()), first


def load_deam(folder: Path, *, swapped: bool | None = None) -> list[Recording]:
    """All recordings in the order of the ratings. Raises DataError.

    `swapped` says whether the columns of the songs up to 1000 stand under each other's headings; None: the rows that
    the card names tell it. Artists are empty where the metadata, an archive of their own, are not there.
    """
    card = cards.load("deam")
    if swapped is None:
        swapped = is_swapped(folder, card)
    last = card.editions["swapped"]["last"]
    return rated(
        folder,
        card,
        artists=artists(folder, card, "songs_2013", "songs_2014", "songs_2015"),
        roles=("ratings", "ratings_2015"),
        swapped=lambda name: swapped and _number(name) <= last,
    )


def _number(name: str) -> int:
    if not name.isdecimal():
        raise DataError(f"{name!r} is no song of DEAM: songs are numbers; fetch the ratings again")
    return int(name)


def is_swapped(folder: Path, card: Card) -> bool:
    """Whether these ratings are the common edition with columns under each other's headings. Raises DataError."""
    rows = {row["name"]: row for row in cards.rows(folder, card, "ratings", needs=RATED)}
    told = card.editions["swapped"]
    witnesses = [(name, True) for name in told["valence_column_higher"]]
    witnesses += [(name, False) for name in told["arousal_column_higher"]]
    votes = {_valence_is_higher(rows[name]) == higher for name, higher in witnesses if name in rows}
    if len(votes) != 1:
        raise DataError(
            f"the ratings of DEAM at {folder} do not tell whether valence and arousal are swapped up to song "
            f"{told['last']}: say swapped=True or swapped=False"
        )
    return votes.pop()


def _valence_is_higher(row: dict[str, str]) -> bool:
    try:
        return float(row["valence"]) > float(row["arousal"])
    except ValueError as error:
        raise DataError(f"song {row['name']} of DEAM has an unreadable rating ({error}): fetch the set again") from None


SIDES = ("development", "evaluation")


def load_emomusic(folder: Path) -> list[Recording]:
    """All recordings in the order of the ratings. Raises DataError."""
    card = cards.load("emomusic")
    return rated(folder, card, artists=artists(folder, card, "songs"))


def load_emomusic_split(folder: Path) -> dict[str, list[Recording]]:
    """The published split, development and evaluation; it is of songs, so an artist may be on both sides.

    Raises DataError.
    """
    card = cards.load("emomusic")
    side = {row["name"]: row["side"] for row in cards.rows(folder, card, "songs", needs=("name", "side"))}
    found = load_emomusic(folder)
    if strange := [each.name for each in found if side.get(each.name) not in SIDES]:
        raise DataError(f"song {strange[0]} of {card.name} is on no side of the split: it is one of {', '.join(SIDES)}")
    sides = {name: [each for each in found if side[each.name] == name] for name in SIDES}
    assert_disjoint(*sides.values(), kinds=("song",))
    return sides


@dataclass(frozen=True)
class Excerpt(Recording):
    """A recording whose quadrant is known."""

    quadrant: int = field()


def load_fourq(folder: Path) -> list[Excerpt]:
    """All excerpts in the order of annotations.csv. Raises DataError."""
    card = cards.load("fourq")
    artist_of = artists(folder, card, "songs")
    labels = cards.rows(folder, card, "labels", needs=("name", "quadrant"))
    sounds = by_name(folder, card)
    excerpts = []
    for row in labels:
        name, quadrant = row["name"], row["quadrant"].lower()
        if name not in artist_of or quadrant not in QUADRANTS:
            raise DataError(f"the 4Q set at {folder} is not whole: {name} has no artist or no quadrant")
        path = sound_of(name, sounds, card)
        excerpts.append(Excerpt(name, path, f"{card.songs}/{name}", artist_of[name], QUADRANTS.index(quadrant)))
    return excerpts


SPLITS = ("train", "validation", "test")
NEEDS = ("name", "artist", "sound", "tags")


def load_mtg_jamendo(folder: Path) -> list[Recording]:
    """All tracks in the order of the table. Raises DataError."""
    card = cards.load("mtg_jamendo")
    return _recordings(folder, card, "tags")


def load_mtg_jamendo_split(folder: Path) -> dict[str, list[Recording]]:
    """The official split 0 by its names, asserted to be disjoint by track and artist. Raises DataError."""
    card = cards.load("mtg_jamendo")
    sides = {name: _recordings(folder, card, name) for name in SPLITS}
    assert_disjoint(*sides.values())
    return sides


def _recordings(folder: Path, card: Card, role: str) -> list[Recording]:
    sounds = by_name(folder, card)
    return [_recording(row, sounds, card) for row in cards.rows(folder, card, role, needs=NEEDS)]


def _recording(row: dict[str, str], sounds: dict[str, Path], card: Card) -> Recording:
    stem = Path(row["sound"]).stem
    tags = tuple(tag.partition("---")[2] for tag in row["tags"].split(card.file("tags").delimiter))
    if not all(tags):
        raise DataError(f"{row['name']} of {card.name} has tags that are no `mood/theme---word`: fetch the table again")
    artist = f"jamendo {row['artist']}"
    return Recording(row["name"], sound_of(stem, sounds, card), f"{card.songs}/{row['name']}", artist, tags=tags)


def load_pmemo(folder: Path) -> list[Recording]:
    """All rated recordings in the order of the ratings. Raises DataError."""
    card = cards.load("pmemo")
    return rated(folder, card, artists=artists(folder, card, "songs"))
