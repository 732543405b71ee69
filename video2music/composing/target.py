"""What the options ask for: the affect curve to aim at, the style with its changes; and their check before any work.

The target is the video's own affect or the user's request in its place, valence and arousal in [-1, 1], one row a
second. Nothing here imports torch, so that the command line can refuse bad options at once.
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion import affect
from emotion.values import AffectCurve
from video2music import features as encoding
from video2music import styles
from video2music.errors import OptionError, StyleError
from video2music.options import Options
from video2music.values import Floats, VideoFeatures

CURVE_COLUMNS = ("t_s", "valence", "arousal")


def check_options(options: Options, style: str) -> None:
    """Refuse options that no clip could be scored with; `style` is TOML text. Raises UserError."""
    encoding.encoders.choose(options.encoder)
    adapted_style(style, options.beats_per_bar, silent_instruments(style, options), where=options.style)
    requested_target(options, seconds=1)


def affect_target(features: VideoFeatures, options: Options) -> AffectCurve:
    """Valence and arousal to aim at, one row a second of the clip. Raises OptionError."""
    return requested_target(options, len(features)) or video_target(features)


def video_target(features: VideoFeatures) -> AffectCurve:
    """The affect that the encoder finds in the video."""
    valence, arousal = np.clip(features.affect, -1, 1).T
    return AffectCurve(valence, arousal, "picture")


def requested_target(options: Options, seconds: int) -> AffectCurve | None:
    """The requested name, point or curve; None when the video decides. Raises OptionError."""
    if options.curve is not None:
        return read_curve(Path(options.curve), seconds)
    if options.emotion is not None:
        point, source = affect.VA_ANCHORS[options.emotion], options.emotion
    elif options.valence is not None and options.arousal is not None:
        point, source = (options.valence, options.arousal), "point"
    else:
        return None
    return AffectCurve(np.full(seconds, point[0]), np.full(seconds, point[1]), source)


def read_curve(path: Path, seconds: int) -> AffectCurve:
    """A CSV file with the columns t_s, valence, arousal; linear in between, constant before and after.

    Raises OptionError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write a byte order mark
            rows = _read_rows(path, csv.DictReader(file))
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


def _read_rows(path: Path, rows: "csv.DictReader[str]") -> list[list[float]]:
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


def emotion_rows(features: VideoFeatures, target: AffectCurve) -> Floats:
    """The six emotions (T, 6) that the models are given: the video's own, or those at the requested points."""
    return features.emotion if target.source == "picture" else affect.emotions_at(target.points)


def silent_instruments(style: str, options: Options) -> tuple[str, ...]:
    """The instruments of a style, TOML text, that the options leave out. Raises StyleError."""
    instruments = [instrument.name for instrument in styles.parse(style, where=options.style).instruments]
    if unknown := [name for name in options.only if name not in instruments]:
        raise StyleError(f"the style {options.style} has no instrument {unknown[0]!r}: it has {', '.join(instruments)}")
    return tuple(name for name in instruments if name not in options.only) if options.only else options.without


def adapted_style(style: str, beats_per_bar: int | None, without: Sequence[str], *, where: str) -> styles.Style:
    """A style from its TOML text, in the requested metre and without some instruments. Raises StyleError."""
    parsed = styles.parse(style, where=where)
    parsed = replace(parsed, beats_per_bar=beats_per_bar) if beats_per_bar else parsed
    return styles.muted(parsed, without) if without else parsed
