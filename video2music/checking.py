"""What every clip would be refused for, said before the first is watched; without torch, so that it is said at once."""

from collections.abc import Sequence
from dataclasses import replace

from video2music import features, styles
from video2music.errors import StyleError
from video2music.options import Options
from video2music.target import from_wish


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
