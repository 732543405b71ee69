"""DEAM (Aljanaki, Yang, Soleymani, PLoS ONE 2017): 1,802 recordings, rated for valence and arousal as a whole.

The files and columns are those of datasets/deam/card.toml. Songs numbered up to 1000 are those of emoMusic. In the
common edition of the ratings the columns of these songs stand under each other's headings; the card tells how that was
seen, and which rows give the edition away.
"""

from pathlib import Path

from emotion.data import cards, recordings
from emotion.data.cards import Card
from emotion.data.recordings import Recording
from emotion.errors import DataError


def load(folder: Path, *, swapped: bool | None = None) -> list[Recording]:
    """All recordings in the order of the ratings. Raises DataError.

    `swapped` says whether the columns of the songs up to 1000 stand under each other's headings; None: the rows that
    the card names tell it. Artists are empty where the metadata, an archive of their own, are not there.
    """
    card = cards.load("deam")
    if swapped is None:
        swapped = is_swapped(folder, card)
    last = card.editions["swapped"]["last"]
    return recordings.rated(
        folder,
        card,
        artists=recordings.artists(folder, card, "songs_2013", "songs_2014", "songs_2015"),
        roles=("ratings", "ratings_2015"),
        swapped=lambda name: swapped and _number(name) <= last,
    )


def _number(name: str) -> int:
    if not name.isdecimal():
        raise DataError(f"{name!r} is no song of DEAM: songs are numbers; fetch the ratings again")
    return int(name)


def is_swapped(folder: Path, card: Card) -> bool:
    """Whether these ratings are the common edition with columns under each other's headings. Raises DataError."""
    rows = {row["name"]: row for row in cards.rows(folder, card, "ratings", needs=recordings.RATED)}
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
