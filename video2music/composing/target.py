"""What every clip would be refused for, said before the first is watched; without torch, so that it is said at once.

What the music should feel like: the picture's own affect, or the user's wish in its place.
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion import affect
from emotion.values import AffectCurve
from video2music import features, styles
from video2music.errors import OptionError, StyleError
from video2music.options import Options
from video2music.values import Floats, VideoFeatures


def check(options: Options, style: str) -> None:
    """Refuse wishes that name what is not there; `style` is TOML text. Raises UserError."""
    features.encoders.choose(options.encoder)
    styled(style, options.beats_per_bar, silent(style, options), where=options.style)
    from_wish(options, seconds=1)


def silent(style: str, options: Options) -> tuple[str, ...]:
    """The instruments of a style, TOML text, that are wished silent. Raises StyleError."""
    there = [instrument.name for instrument in styles.parse(style, where=options.style).instruments]
    if unknown := [name for name in options.only if name not in there]:
        raise StyleError(f"the style {options.style} has no instrument {unknown[0]!r}: it has {', '.join(there)}")
    return tuple(name for name in there if name not in options.only) if options.only else options.without


def styled(style: str, beats_per_bar: int | None, without: Sequence[str], *, where: str) -> styles.Style:
    """A style from its TOML text, in the wished metre and without some instruments. Raises StyleError."""
    found = styles.parse(style, where=where)
    found = replace(found, beats_per_bar=beats_per_bar) if beats_per_bar else found
    return styles.muted(found, without) if without else found


CURVE_COLUMNS = ("t_s", "valence", "arousal")


def target(features: VideoFeatures, options: Options) -> AffectCurve:
    """Valence and arousal to aim at, one row a second of the clip. Raises OptionError."""
    return from_wish(options, len(features)) or from_picture(features)


def from_picture(features: VideoFeatures) -> AffectCurve:
    """What the encoder saw."""
    valence, arousal = np.clip(features.affect, -1, 1).T
    return AffectCurve(valence, arousal, "picture")


def from_wish(options: Options, seconds: int) -> AffectCurve | None:
    """The wished name, point or curve; None when the picture should decide. Raises OptionError."""
    if options.curve is not None:
        return read_curve(Path(options.curve), seconds)
    if options.emotion is not None:
        return _constant(affect.PLACES[options.emotion], seconds, options.emotion)
    if options.valence is not None and options.arousal is not None:
        return _constant((options.valence, options.arousal), seconds, "point")
    return None


def emotion_rows(features: VideoFeatures, target: AffectCurve) -> Floats:
    """The six emotions (T, 6) that the models are told: the picture's own, or those at the wished places."""
    return features.emotion if target.source == "picture" else affect.emotions_at(target.points)


def read_curve(path: Path, seconds: int) -> AffectCurve:
    """A CSV file with the columns t_s, valence, arousal; linear in between, constant before and after.

    Raises OptionError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = _numbers(path, csv.DictReader(file))
    except FileNotFoundError:
        raise OptionError(f"no curve at {path}: give a CSV file with the columns {','.join(CURVE_COLUMNS)}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OptionError(f"the curve {path} cannot be read ({error}): it must be a CSV file") from None
    if not rows:
        raise OptionError(f"the curve {path} has no rows: give at least one time with its valence and arousal")
    times, valence, arousal = np.array(rows).T
    if not np.isfinite(rows).all() or (np.diff(times) <= 0).any():
        raise OptionError(f"the curve {path} must have finite numbers and times that rise from row to row")
    if np.abs([valence, arousal]).max() > 1:
        raise OptionError(f"the curve {path} leaves the plane: valence and arousal lie between -1 and 1")
    seconds_s = np.arange(seconds)
    return AffectCurve(np.interp(seconds_s, times, valence), np.interp(seconds_s, times, arousal), f"file {path.name}")


def _numbers(path: Path, rows: csv.DictReader) -> list[list[float]]:
    """The cells of the three columns. Raises OptionError."""
    heading = [name.strip() for name in rows.fieldnames or ()]
    if missing := [name for name in CURVE_COLUMNS if name not in heading]:
        raise OptionError(
            f"the curve {path} has no column {missing[0]}: its first line must be {','.join(CURVE_COLUMNS)}"
        )
    rows.fieldnames = heading
    numbers = []
    for row in rows:
        try:
            numbers.append([float(row[name]) for name in CURVE_COLUMNS])
        except (TypeError, ValueError):
            raise OptionError(
                f"the curve {path} has no number in every cell of line {rows.line_num}: mend it"
            ) from None
    return numbers


def _constant(place: tuple[float, float], seconds: int, source: str) -> AffectCurve:
    return AffectCurve(np.full(seconds, place[0]), np.full(seconds, place[1]), source)
