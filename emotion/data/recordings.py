"""Labelled recordings: readers of 4Q, DEAM, emoMusic, PMEmo and MTG-Jamendo, and folds by song and artist.

All readers take a data set's folder as it was downloaded, whose files and columns are in datasets/<name>/card.toml,
and raise DataError. Ratings are mapped from their scale to [-1, 1]. emotion.data.registry lists the readers.

4Q audio emotion set (Panda, Malheiro, Paiva 2018): excerpts of 30 s, a quadrant each; sounds of any readable format.

DEAM (Aljanaki, Yang, Soleymani, PLoS ONE 2017): 1,802 recordings, rated for valence and arousal as a whole. Songs
numbered up to 1000 are those of emoMusic. In the common edition of the ratings the columns of these songs are under
each other's headings; the card says how that was found, and which rows identify the edition.

emoMusic (Soleymani and others, CrowdMM 2013): 744 excerpts of 45 s, rated for valence and arousal as a whole. They are
the first 744 of DEAM, under the same numbers; `Recording.song` is the same for both.

PMEmo (Zhang and others, ICMR 2018): the choruses of 767 pop songs, rated for valence and arousal as a whole. The
ratings are of what listeners felt (induced), not of what the music expressed (perceived).

MTG-Jamendo, mood and theme (Bogdanov and others 2019): whole tracks with the tags of their uploaders. Artists and
tracks go by their numbers at Jamendo.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion.affect import QUADRANTS
from emotion.data import cards
from emotion.data.cards import Card
from emotion.data.pieces import assert_disjoint, connected
from emotion.errors import DataError

RATED = ("name", "valence", "arousal")


@dataclass(frozen=True)
class Recording:
    """A recording by its name and sound file; `song` and `artist` are what splits keep together (empty: unknown).

    A song that is in two data sets has one `song`. `quadrant` counts from 0 in the order of emotion.affect.QUADRANTS;
    `affect` is valence and arousal in [-1, 1]; both are None where the set has no such label.
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


def scaled_rating(text: str, scale: tuple[float, float]) -> float:
    """A rating as text, on a scale from its lowest to its highest value, mapped to [-1, 1]. Raises ValueError."""
    low, high = scale
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"{value:g} is not between {low:g} and {high:g}")
    return 2 * (value - low) / (high - low) - 1


def artist_key(text: str) -> str:
    """An artist's name as splits compare it: without case, quotes and doubled spaces; `n/a` is unknown."""
    key = " ".join(text.strip(' \t"').casefold().split())
    return "" if key == "n/a" else key


def artists(folder: Path, card: Card, *roles: str) -> dict[str, str]:
    """The artists of a data set's items by name, from the tables of these roles. Raises DataError."""
    listed = [row for role in roles for row in cards.rows(folder, card, role, needs=("name", "artist"))]
    return {row["name"]: artist_key(row["artist"]) for row in listed}


def rated_recordings(
    folder: Path,
    card: Card,
    *,
    artists: Mapping[str, str],
    roles: Sequence[str] = ("ratings",),
    swapped: Callable[[str], bool] = lambda name: False,
) -> list[Recording]:
    """The rated recordings of a data set, in the order of the ratings in the tables of these roles. Raises DataError.

    `swapped` says of an item by name whether its columns of valence and arousal hold each other's ratings.
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
    """Valence and arousal of a row, in [-1, 1]. Raises DataError."""
    scale = card.file(role).scale
    if scale is None:
        raise DataError(f"the card of {card.key} gives its {role} no scale: restore the file")
    try:
        return scaled_rating(row["valence"], scale), scaled_rating(row["arousal"], scale)
    except ValueError as error:
        raise DataError(
            f"{row['name']} of {card.name} has an unreadable rating ({error}): fetch the set again"
        ) from None


def even_folds(recordings: Sequence[Recording], *, count: int) -> list[list[Recording]]:
    """The recordings, of one set or of several at once, in `count` folds, no song and no artist in two.

    Recordings that share a song or an artist, directly or through others, go together into the smallest fold, the
    largest components first and equal ones by the checksum of their first song: deterministic, whatever the order.
    Give all sets that are trained on at once: one by one, an artist of two sets may end in two folds.
    """
    sides: list[list[Recording]] = [[] for _ in range(count)]
    components = ([recordings[place] for place in places] for places in connected([each.groups for each in recordings]))
    # the largest first, each to the smallest side: small ones even the sides out
    for component in sorted(components, key=_largest_first):
        min(sides, key=len).extend(component)
    return sides


def _largest_first(component: Sequence[Recording]) -> tuple[int, int, str]:
    first = min(each.song or each.name for each in component)
    return -len(component), zlib.crc32(first.encode()), first


def read_deam(folder: Path, *, swapped: bool | None = None) -> list[Recording]:
    """All recordings in the order of the ratings. Raises DataError.

    `swapped` says whether the columns of the songs up to 1000 are under each other's headings; None: that is decided
    by the rows that the card names. Artists are empty where the metadata, an archive of their own, are not there.
    """
    card = cards.load("deam")
    if swapped is None:
        swapped = is_swapped(folder, card)
    last = card.editions["swapped"]["last"]
    return rated_recordings(
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
    edition = card.editions["swapped"]
    witnesses = [(name, True) for name in edition["valence_column_higher"]]
    witnesses += [(name, False) for name in edition["arousal_column_higher"]]
    votes = {_valence_is_higher(rows[name]) == higher for name, higher in witnesses if name in rows}
    if len(votes) != 1:
        raise DataError(
            f"the ratings of DEAM at {folder} do not show whether valence and arousal are swapped up to song "
            f"{edition['last']}: say swapped=True or swapped=False"
        )
    return votes.pop()


def _valence_is_higher(row: dict[str, str]) -> bool:
    try:
        return float(row["valence"]) > float(row["arousal"])
    except ValueError as error:
        raise DataError(f"song {row['name']} of DEAM has an unreadable rating ({error}): fetch the set again") from None


EMOMUSIC_SIDES = ("development", "evaluation")


def read_emomusic(folder: Path) -> list[Recording]:
    """All recordings in the order of the ratings. Raises DataError."""
    card = cards.load("emomusic")
    return rated_recordings(folder, card, artists=artists(folder, card, "songs"))


def read_emomusic_split(folder: Path) -> dict[str, list[Recording]]:
    """The published split, development and evaluation; it is of songs, so an artist may be on both sides.

    Raises DataError.
    """
    card = cards.load("emomusic")
    side = {row["name"]: row["side"] for row in cards.rows(folder, card, "songs", needs=("name", "side"))}
    found = read_emomusic(folder)
    if unknown := [each.name for each in found if side.get(each.name) not in EMOMUSIC_SIDES]:
        raise DataError(
            f"song {unknown[0]} of {card.name} is on no side of the split: it is one of {', '.join(EMOMUSIC_SIDES)}"
        )
    sides = {name: [each for each in found if side[each.name] == name] for name in EMOMUSIC_SIDES}
    assert_disjoint(*sides.values(), kinds=("song",))
    return sides


def read_fourq(folder: Path) -> list[Recording]:
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
        excerpts.append(Recording(name, path, f"{card.songs}/{name}", artist_of[name], QUADRANTS.index(quadrant)))
    return excerpts


JAMENDO_SPLITS = ("train", "validation", "test")
JAMENDO_COLUMNS = ("name", "artist", "sound", "tags")


def read_mtg_jamendo(folder: Path) -> list[Recording]:
    """All tracks in the order of the table. Raises DataError."""
    card = cards.load("mtg_jamendo")
    return _jamendo_tracks(folder, card, "tags")


def read_mtg_jamendo_split(folder: Path) -> dict[str, list[Recording]]:
    """The official split 0 by its names, asserted to be disjoint by track and artist. Raises DataError."""
    card = cards.load("mtg_jamendo")
    sides = {name: _jamendo_tracks(folder, card, name) for name in JAMENDO_SPLITS}
    assert_disjoint(*sides.values())
    return sides


def _jamendo_tracks(folder: Path, card: Card, role: str) -> list[Recording]:
    sounds = by_name(folder, card)
    return [_jamendo_track(row, sounds, card) for row in cards.rows(folder, card, role, needs=JAMENDO_COLUMNS)]


def _jamendo_track(row: dict[str, str], sounds: dict[str, Path], card: Card) -> Recording:
    stem = Path(row["sound"]).stem
    tags = tuple(tag.partition("---")[2] for tag in row["tags"].split(card.file("tags").delimiter))
    if not all(tags):
        raise DataError(f"{row['name']} of {card.name} has tags that are no `mood/theme---word`: fetch the table again")
    artist = f"jamendo {row['artist']}"
    return Recording(row["name"], sound_of(stem, sounds, card), f"{card.songs}/{row['name']}", artist, tags=tags)


def read_pmemo(folder: Path) -> list[Recording]:
    """All rated recordings in the order of the ratings. Raises DataError."""
    card = cards.load("pmemo")
    return rated_recordings(folder, card, artists=artists(folder, card, "songs"))
