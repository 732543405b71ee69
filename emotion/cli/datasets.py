"""`python -m emotion datasets`: which data sets of music with emotion labels there are."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from emotion.cli.output import JsonOption, failing_plainly, write_json

if TYPE_CHECKING:
    from emotion.data.catalogue import CatalogueEntry

WIDTHS = (22, 4, 6, 17, 15, 11)  # of the columns, 80 characters with the blanks between them
HEADINGS = ("set", "year", "items", "media", "labels", "reader")
NUMBERS = ("year", "items")


def datasets(
    media: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only sets with MIDI, MP3, Lyrics …, or sound of any kind.")
    ] = None,
    labels: Annotated[str | None, typer.Option(metavar="KIND", help="Only dimensional or categorical labels.")] = None,
    json_file: JsonOption = None,
) -> None:
    """List data sets of music with emotion labels, and for which of them there is a reader here.

    The JSON has more columns: length, whether labels change over time, perceived or induced, page.
    """
    with failing_plainly():
        from emotion.data import catalogue

        everything = catalogue.read()
        found = catalogue.select(everything, media=media, labels=labels)
        write_json(json_file, {"sets": [asdict(entry) for entry in found]})
        if json_file != "-":
            typer.echo("\n".join(_lines(found, of=len(everything))))


def _lines(entries: "Sequence[CatalogueEntry]", *, of: int) -> Iterator[str]:
    """The table for reading."""
    yield _line(HEADINGS)
    for entry in entries:
        labels = ", ".join(filter(None, (entry.categorical, entry.dimensional)))
        media = ", ".join(entry.media)
        yield _line((entry.name, str(entry.year), str(entry.instances), media, labels, entry.reader))
    readers = sum(bool(entry.reader) for entry in entries)
    yield f"{len(entries)} of {of} sets, {readers} with a reader: emotion.data.registry, datasets/READER/card.toml"


def _line(cells: Sequence[str]) -> str:
    fitted = (
        cell if len(cell) <= width else f"{cell[: width - 1]}…" for cell, width in zip(cells, WIDTHS, strict=True)
    )
    aligned = [
        cell.rjust(width) if heading in NUMBERS else cell.ljust(width)
        for cell, width, heading in zip(fitted, WIDTHS, HEADINGS, strict=True)
    ]
    return " ".join(aligned).rstrip()
