"""Where the facts about data lie: `datasets/` of the source tree, or inside the package where it is installed."""

from pathlib import Path

from emotion.errors import DataError

_PACKAGE = Path(__file__).parent.parent
PLACES = (_PACKAGE / "datasets", _PACKAGE.parent / "datasets")


def folder(name: str) -> Path:
    """The folder of a data set's card and splits. Raises DataError."""
    for place in PLACES:
        if (place / name / "card.toml").is_file():
            return place / name
    raise DataError(f"no card of the data set {name!r} is installed: choose one that `datasets/` has")
