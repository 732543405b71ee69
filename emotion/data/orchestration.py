"""The same piece in other clothes: new instruments, another key and tempo, with or without drums, part of its length.

Models that hear such versions of a piece under one label must go by its rhythm, harmony and dynamics, for its timbre
says nothing. Instruments are General MIDI programs counted from 0.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from emotion.performance import Event, Performance

LOWEST, HIGHEST = 21, 108  # the keys of a piano


@dataclass(frozen=True)
class Ensemble:
    """What the lowest part may play on, and what the others; `once`: one instrument is drawn for all of the others."""

    bass: tuple[int, ...]
    others: tuple[int, ...]
    once: bool = False


ENSEMBLES = MappingProxyType({
    "piano": Ensemble((0,), (0,), once=True),
    "bright piano": Ensemble((1,), (1,), once=True),
    "electric piano": Ensemble((4, 5, 33), (4, 5), once=True),
    "strings": Ensemble((42, 43, 48), (40, 41, 44, 45, 48, 49)),
    "string ensemble": Ensemble((48, 49), (48, 49, 50), once=True),
    "pads": Ensemble((0, 33, 38, 89), (0, 11, 14, 46, 52, 88, 89, 91, 92, 94, 95)),
    "guitars": Ensemble((32, 33, 34), (24, 25, 26, 27)),
    "rock": Ensemble((33, 34, 38), (18, 27, 29, 30, 62, 80, 81)),
    "winds": Ensemble((43, 58, 70), (56, 57, 60, 64, 66, 68, 71, 73)),
    "bells and harp": Ensemble((32, 46), (8, 9, 10, 11, 12, 13, 46)),
    "organ": Ensemble((16, 19), (16, 17, 19, 20, 21)),
    "mixed": Ensemble((0, 32, 33, 38, 43, 48), (0, 4, 11, 24, 40, 46, 48, 56, 60, 68, 71, 73, 80, 88, 89)),
})  # fmt: skip


@dataclass(frozen=True)
class Version:
    """A way to play a piece: an ensemble by name (None: as it was written), drums or none, semitones, and speed."""

    ensemble: str | None = None
    drums: bool = True
    semitones: int = 0
    speed: float = 1.0


def versions(count: int, rng: np.random.Generator) -> Iterator[Version]:
    """The first as written, the others in different ensembles in random order, all over again when they are used up."""
    names = [str(name) for _ in range(0, count, len(ENSEMBLES)) for name in rng.permutation(list(ENSEMBLES))]
    yield Version()
    for name in names[: count - 1]:
        drums = bool(rng.random() < 0.4)
        yield Version(name, drums, int(rng.integers(-4, 5)), float(np.exp(rng.uniform(-0.06, 0.06))))


def stretch(performance: Performance, start_s: float, end_s: float) -> Performance:
    """What is struck from start_s until before end_s, with start_s as its zero; earlier settings hold from there."""
    events = [
        replace(event, time_s=max(event.time_s - start_s, 0.0))
        for event in performance.events
        if event.time_s < end_s and (event.time_s >= start_s or not event.kind.startswith("note"))
    ]
    return Performance(tuple(events), performance.drums)


def play_as(performance: Performance, version: Version, rng: np.random.Generator) -> Performance:
    """The performance as that version of itself."""
    kept = [part for part, drums in enumerate(performance.drums) if version.drums or not drums]
    if not any(_strikes(performance, kept)):
        kept = list(range(len(performance.drums)))
    programs = _programs(performance, version, rng) if version.ensemble else {}
    numbers = {part: number for number, part in enumerate(kept)}
    events = [
        Event(0.0, numbers[part], "program_change", (program,)) for part, program in programs.items() if part in numbers
    ]
    for event in performance.events:
        if event.part in numbers and not (event.part in programs and event.kind == "program_change"):
            moved = _moved(event, 0 if performance.drums[event.part] else version.semitones)
            events.append(replace(moved, time_s=event.time_s / version.speed, part=numbers[event.part]))
    return Performance(tuple(events), tuple(performance.drums[part] for part in kept))


def _strikes(performance: Performance, parts: Sequence[int]) -> Iterator[Event]:
    return (
        event for event in performance.events if event.kind == "note_on" and event.values[1] and event.part in parts
    )


def _programs(performance: Performance, version: Version, rng: np.random.Generator) -> dict[int, int]:
    """A program for each part that is no drum kit."""
    ensemble = ENSEMBLES[version.ensemble or ""]
    melodic = [part for part, drums in enumerate(performance.drums) if not drums]
    pitches = defaultdict(list)
    for event in _strikes(performance, melodic):
        pitches[event.part].append(event.values[0])
    lowest = min(pitches, key=lambda part: float(np.mean(pitches[part])), default=None)
    one = int(rng.choice(ensemble.others))
    return {
        part: int(rng.choice(ensemble.bass))
        if part == lowest
        else one
        if ensemble.once
        else int(rng.choice(ensemble.others))
        for part in melodic
    }


def _moved(event: Event, semitones: int) -> Event:
    """A note in another key, by octaves back onto the keyboard where it would leave it."""
    if not semitones or event.kind not in ("note_on", "note_off", "polytouch"):
        return event
    pitch = event.values[0] + semitones
    pitch += 12 * (pitch < LOWEST) - 12 * (pitch > HIGHEST)
    return replace(event, values=(pitch, *event.values[1:]))
