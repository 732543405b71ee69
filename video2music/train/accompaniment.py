"""What a pianist does in a song, told as the networks of `model.figures` see it.

The song's chords are voiced as the arranger would voice them, and every note of the PIANO track becomes a strike of the
slot whose pitch lies nearest.

Train the figures: two small networks learn from POP909's pianists which voices strike, how long and how hard.

The songs of the half that `evaluate.nearness` measures are never read. Of the others among the first 300, which are
played with a more varied touch than the rest, every tenth chooses the epoch, and the manners are theirs.
"""

import copy
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from emotion import checkpoint
from emotion import report as reports
from emotion.errors import DataError
from video2music.arranging import accompaniment
from video2music.arranging.accompaniment import (
    BEAT,
    KIND,
    KNOWN,
    LENGTHS,
    MANNER,
    N_MASKS,
    N_SLOTS,
    N_TOLD,
    NOTE,
    PLACES,
    SEEN,
    TOUCHES,
    Floats,
    Indices,
    Lattice,
)
from video2music.arranging.grid import beats_of
from video2music.arranging.voicing import voice
from video2music.chords import Chord
from video2music.data import pop909
from video2music.data.pop909 import Accompaniment
from video2music.evaluate.music import nearness
from video2music.styles import Registers, load_style
from video2music.train import card

SECTION_BARS = 8  # of which a manner is taken
HARD, SOFT = 4, -4  # from the bar's mean velocity: accented, soft
OTHER_CLASS = 5.0  # semitones that a note would rather lie away than be of another pitch class
SHORTEST = 0.7  # positions
LEAST_DENSITY = 0.25  # notes and seconds of sound a beat


class Strikes(NamedTuple):
    """Notes that found a slot, each (n,): position, slot, length in positions, velocity."""

    at: Indices
    slot: Indices
    length: NDArray[np.float64]
    velocity: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One song of P positions and n notes.

    history  (P, SEEN) positions that are seen from each position; known (P, KNOWN) what else is told of it
    struck   (P, 6) bool; real (P,) bool: positions in bars in which something is struck
    notes    (n, NOTE) what is told of each note; length (n,) its class of LENGTHS, touch (n,) its sign
    manners  (S, len(MANNER)) of the song's sections
    """

    name: str
    history: Indices
    known: Floats
    struck: NDArray[np.bool_]
    real: NDArray[np.bool_]
    notes: Floats
    length: Indices
    touch: Indices
    manners: Floats

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(real positions, SEEN * 6) what was struck at the positions that are seen."""
        before = np.zeros((1, N_SLOTS), bool)
        return np.concatenate([self.struck, before])[self.history[self.real]].reshape(int(self.real.sum()), -1)

    @property
    def mask(self) -> Indices:
        """(real positions,) which of the 64 masks is struck."""
        return self.struck[self.real] @ (1 << np.arange(N_SLOTS))


def lesson(song: Accompaniment, registers: Registers) -> Lesson:
    """A song as the networks see it, relative to our voicing of its chords in these registers."""
    form = nearness.form_of(song)
    lattice = Lattice.of(beats_of(form), np.searchsorted(form.bars_s, form.steps_s + 1e-6) - 1)
    chords = pop909.chords_at(song, form.steps_s, form.step_ends_s)
    pitches = voiced(chords, registers)
    notes = assigned(song, lattice, pitches)
    struck = np.zeros((len(lattice), N_SLOTS), bool)
    struck[notes.at, notes.slot] = True
    told, manners = _told(lattice, struck, notes, float(np.median(np.diff(form.beats_s))))
    bare = np.array([chord.root is None for chord in chords])
    known = np.concatenate([accompaniment.fixed(lattice, accompaniment.moving(pitches), bare), told], axis=1)
    rows = accompaniment.note_rows(
        lattice, struck, notes.at, notes.slot, told[notes.at], accompaniment.movement(lattice, pitches)
    )
    length = np.abs(np.log(notes.length.clip(SHORTEST)[:, None] / LENGTHS)).argmin(1)
    touch = _touch(lattice.bar[notes.at], notes.velocity)
    real = np.isin(lattice.bar, lattice.bar[notes.at])
    return Lesson(song.name, lattice.history, known, struck, real, rows, length, touch, manners)


def voiced(chords: Sequence[Chord], registers: Registers) -> Indices:
    """(N, 6) pitches of the slots, as the arranger voices the chords; N carries the harmony on."""
    sounding = next((chord for chord in chords if chord.root is not None), Chord(0, "maj"))
    harmony = []
    for chord in chords:
        sounding = sounding if chord.root is None else chord
        harmony.append(sounding)
    four = np.array(
        voice(harmony, bass=registers.bass, upper=registers.upper, inversions=registers.inversions), np.int64
    )
    return np.concatenate([four[:, :1] + [-12, 0, 12], four[:, 1:]], axis=1)


def assigned(song: Accompaniment, lattice: Lattice, pitches: Indices) -> Strikes:
    """The notes of a song that find a slot among the pitches (N, 6) of their step.

    Notes that strike together take different slots in the order of their pitch, so that the whole distance is least.
    """
    piano = song.piano
    place = nearness.in_beats(piano.start_s, song.beats_s) * BEAT
    length = nearness.in_beats(piano.end_s, song.beats_s) * BEAT - place
    nearest = np.rint(place).astype(int)
    inside = np.flatnonzero((nearest >= 0) & (nearest < len(lattice)))
    order = inside[np.lexsort((piano.pitch[inside], nearest[inside]))]
    together = np.split(order, np.flatnonzero(np.diff(nearest[order])) + 1)
    found = [
        pair
        for group in together
        if len(group)
        for pair in _slots(group, piano.pitch[group], pitches[lattice.step[nearest[group[0]]]])
    ]
    note, slot = np.array(found, np.int64).reshape(-1, 2).T
    return Strikes(nearest[note], slot, length[note], piano.velocity[note].astype(float))


_CHOICES = tuple(tuple(combinations(range(N_SLOTS), size)) for size in range(N_SLOTS + 1))


def _slots(group: Indices, pitch: Indices, slots: Indices) -> Iterable[tuple[int, int]]:
    """(note, slot) of notes that strike together; of more than six the two lowest and the highest."""
    if len(group) > N_SLOTS:
        keep = [0, 1, *range(len(group) - N_SLOTS + 2, len(group))]
        group, pitch = group[keep], pitch[keep]
    order = np.argsort(slots, kind="stable")
    away = pitch[:, None] - slots[order]
    cost = np.abs(away) + OTHER_CLASS * (away % 12 != 0)
    choices = np.array(_CHOICES[len(group)])
    best = choices[cost[np.arange(len(group)), choices].sum(1).argmin()]
    return zip(group.tolist(), order[best].tolist(), strict=True)


def _touch(bar: Indices, velocity: NDArray[np.float64]) -> Indices:
    """Soft 0, plain 1 or accented 2, from the mean velocity of a note's own bar."""
    away = velocity - (np.bincount(bar, velocity) / np.bincount(bar).clip(1))[bar]
    return 1 + (away > HARD).astype(int) - (away < SOFT)


def _told(lattice: Lattice, struck: NDArray[np.bool_], notes: Strikes, beat_s: float) -> tuple[Floats, Floats]:
    """Manner of the section, density of the bar and beat at each position (P, N_TOLD + 2); and the manners."""
    bar, bars = lattice.bar[notes.at], int(lattice.bar[-1]) + 1
    beats = np.bincount(lattice.bar, minlength=bars) / BEAT
    filled = np.bincount(bar, 1 + notes.length / BEAT * beat_s, minlength=bars) / beats
    section = lattice.bar // SECTION_BARS
    manners = np.array(list(_manners(lattice, struck, notes, section, beat_s)), np.float32)
    density = np.log(filled.clip(LEAST_DENSITY))[lattice.bar]
    told = [manners[section][:, :N_TOLD], density[:, None], np.full((len(lattice), 1), np.log(beat_s))]
    return np.concatenate(told, axis=1).astype(np.float32), manners


def _manners(
    lattice: Lattice, struck: NDArray[np.bool_], notes: Strikes, section: Indices, beat_s: float
) -> Iterator[NDArray[np.float64]]:
    """MANNER of each section, zeros for one in which nothing is struck."""
    heard = np.any(struck, axis=1)
    before = heard[lattice.history[:, accompaniment.BAR_BEFORE]]
    for number in range(section[-1] + 1):
        here = section == number
        own = Strikes(*(column[here[notes.at]] for column in notes))
        if not len(own.at):
            yield np.zeros(len(MANNER))
            continue
        within = lattice.place[own.at] % BEAT
        bar = lattice.bar[own.at]
        touch = np.mean([own.velocity[bar == one].std() for one in np.unique(bar)])
        overlap = (heard & before)[here].sum() / max((heard | before)[here].sum(), 1)
        filled = (len(own.at) + own.length.sum() / BEAT * beat_s) / (here.sum() / BEAT)
        yield np.array([
            len(own.at) / heard[here].sum(), (within == 2).mean(), (within % 2 == 1).mean(),
            np.log(own.length.mean().clip(0.5)), overlap, touch / 10, (own.slot < 2).mean(), np.log(filled),
            np.log(beat_s),
        ])  # fmt: skip


log = logging.getLogger(__name__)

STYLE = "piano"  # in whose registers the chords are voiced
VARIED = 300  # the songs up to this number have the manners
HELD_OUT = 10
TEXT = card.Text(
    "figures: what a pianist's hands do",
    "Two small networks draw accompaniment figures relative to the chord. The first says for every sixteenth which of "
    "six voices (sub, bass, octave, tenor, alto, soprano) strike, from what was struck before, what stood at the same "
    "place one, two and four bars ago, the metre, the changes of harmony, the density that is wanted and the manner of "
    "the section; the second says how long and how hard. They run in numpy.",
    "POP909 (Wang et al., ISMIR 2020, MIT): PIANO tracks, beats and chords of the half of the songs that "
    "`evaluate music --human` does not measure. The weights hold the manners, nine numbers for each eight bars of the "
    "learned songs among the first 300, and no notes.",
    "Nats a sixteenth (which of 64 sets of voices strike) and a note (length, touch) on held-out songs of the learned "
    "half, given what the pianist did before; `alone` says how often each comes and nothing else.",
    "video2music train figures --data POP909",
)


@dataclass(frozen=True)
class Recipe:
    """How the networks are trained."""

    width: int = 96
    note_width: int = 64
    epochs: int = 8
    note_epochs: int = 5
    batch: int = 512
    rate: float = 4e-3
    decay: float = 1e-4
    dropout: float = 0.1
    seed: int = 0


class Hands(nn.Module):
    """Which voices strike: what is seen (B, SEEN * 6) and known (B, KNOWN) -> logits of the 64 masks."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.seen = nn.Linear(SEEN * N_SLOTS, width, bias=False)
        self.known = nn.Linear(KNOWN, width)
        self.inner = nn.Linear(width, width)
        self.out = nn.Linear(width, N_MASKS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, seen: Tensor, known: Tensor) -> Tensor:
        hidden = self.dropout(torch.relu(self.seen(seen.float()) + self.known(known)))
        return self.out(torch.relu(self.inner(hidden)))


class Fingers(nn.Module):
    """How long and how hard: notes (n, NOTE) -> logits of the lengths, then of the touches."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.into = nn.Linear(NOTE, width)
        self.out = nn.Linear(width, len(LENGTHS) + len(TOUCHES))
        self.dropout = nn.Dropout(dropout)

    def forward(self, notes: Tensor) -> Tensor:
        return self.out(self.dropout(torch.relu(self.into(notes))))


def train(data: Path, out: Path, *, recipe: Recipe | None = None, songs: int | None = None) -> dict[str, Any]:
    """Train on POP909 in `data`, of which at most the first `songs`; write weights, config and card to `out`.

    Returns the report on the held-out songs. Raises DataError.
    """
    recipe = recipe or Recipe()
    torch.manual_seed(recipe.seed)
    learned, held_out = split([name for name in pop909.song_names(data)[:songs] if not nearness.is_measured(name)])
    assert not any(nearness.is_measured(name) for name in (*learned, *held_out))
    registers = load_style(STYLE).registers
    lessons, judges = (
        [lesson(song, registers) for song in pop909.load_all(data, names)] for names in (learned, held_out)
    )
    if not lessons or not judges:
        raise DataError(f"{data} has too few songs of the half that is learned from: give the whole of POP909")
    hands, hand_scale, hand_loss = _fit_hands(lessons, judges, recipe)
    fingers, finger_scale, finger_loss = _fit_fingers(lessons, judges, recipe)
    tensors = {
        **_named("strikes", hands), **_named("touch", fingers),
        "known_mean": hand_scale[0], "known_scale": hand_scale[1],
        "notes_mean": finger_scale[0], "notes_scale": finger_scale[1],
        "manners": manners(lessons),
    }  # fmt: skip
    training = {"recipe": asdict(recipe), "songs": len(lessons), "held_out": held_out}
    checkpoint.save(
        out,
        kind=KIND,
        config={"training": training},
        tensors={name: tensor.astype(np.float16) for name, tensor in tensors.items()},
    )
    rows = {"shipped": {**hand_loss, **finger_loss}, "alone": _alone(lessons, judges)}
    told = {name: {metric: _single(value) for metric, value in row.items()} for name, row in rows.items()}
    report = reports.from_summaries("figures", "POP909", "held-out songs", [recipe.seed], told)
    card.write(out, TEXT, reports=[report], details=training)
    return report


def split(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Songs to learn from and held-out ones, every tenth of those up to VARIED."""
    varied = [name for name in names if int(name) <= VARIED]
    held_out = varied[::HELD_OUT]
    return [name for name in names if name not in held_out], held_out


def manners(lessons: Sequence[Lesson]) -> NDArray[np.float32]:
    """(S, len(MANNER)) of the sections in which something is struck, of the songs up to VARIED."""
    rows = np.concatenate([one.manners for one in lessons if int(one.name) <= VARIED])
    return rows[rows.any(1)]


Scale = tuple[NDArray[np.float32], NDArray[np.float32]]
Fitted = tuple[nn.Module, Scale, dict[str, float]]


def _scale(rows: NDArray[np.float32], flags: int) -> Scale:
    """Mean and spread of columns; the first `flags` are 0 or 1 and stay as they are."""
    mean, spread = rows.mean(0), rows.std(0) + 1e-3
    mean[:flags], spread[:flags] = 0, 1
    return mean, spread


def _fit_hands(lessons: Sequence[Lesson], judges: Sequence[Lesson], recipe: Recipe) -> Fitted:
    scale = _scale(np.concatenate([one.known[one.real] for one in lessons]), PLACES + 8)

    def rows(ones: Sequence[Lesson]) -> list[Tensor]:
        known = np.concatenate([(one.known[one.real] - scale[0]) / scale[1] for one in ones])
        columns = (np.concatenate([one.seen for one in ones]), known, np.concatenate([one.mask for one in ones]))
        return [torch.from_numpy(column) for column in columns]

    def losses(model: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
        return {"nll_strikes": cross_entropy(model(batch[0], batch[1]), batch[2])}

    hands = Hands(recipe.width, recipe.dropout)
    return hands, scale, _fit(hands, rows(lessons), rows(judges), losses, recipe, recipe.epochs)


def _fit_fingers(lessons: Sequence[Lesson], judges: Sequence[Lesson], recipe: Recipe) -> Fitted:
    scale = _scale(np.concatenate([one.notes for one in lessons]), 0)

    def rows(ones: Sequence[Lesson]) -> list[Tensor]:
        notes = np.concatenate([(one.notes - scale[0]) / scale[1] for one in ones])
        columns = (notes, np.concatenate([one.length for one in ones]), np.concatenate([one.touch for one in ones]))
        return [torch.from_numpy(column) for column in columns]

    def losses(model: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
        length, touch = model(batch[0]).split([len(LENGTHS), len(TOUCHES)], dim=1)
        return {"nll_length": cross_entropy(length, batch[1]), "nll_touch": cross_entropy(touch, batch[2])}

    fingers = Fingers(recipe.note_width, recipe.dropout)
    return fingers, scale, _fit(fingers, rows(lessons), rows(judges), losses, recipe, recipe.note_epochs)


Losses = Callable[[nn.Module, list[Tensor]], dict[str, Tensor]]


def _fit(
    model: nn.Module, rows: list[Tensor], judged: list[Tensor], losses: Losses, recipe: Recipe, epochs: int
) -> dict[str, float]:
    """Train with a rate that rises and falls; leave the model as it judged best, and return its losses then."""
    steps = epochs * -(-len(rows[0]) // recipe.batch)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    best, kept = {"": float("inf")}, copy.deepcopy(model.state_dict())
    for epoch in range(epochs):
        model.train()
        for batch in _batches(rows, recipe.batch):
            optimizer.zero_grad()
            torch.stack(list(losses(model, batch).values())).sum().backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            found = {name: float(loss) for name, loss in losses(model, judged).items()}
        log.info("epoch %d: %s", epoch + 1, ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
        if sum(found.values()) < sum(best.values()):
            best, kept = found, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return best


def _batches(rows: list[Tensor], size: int) -> Iterator[list[Tensor]]:
    for places in torch.randperm(len(rows[0])).split(size):
        yield [column[places] for column in rows]


def _alone(lessons: Sequence[Lesson], judges: Sequence[Lesson]) -> dict[str, float]:
    """What one pays who only knows how often each class comes."""
    pairs = {
        "nll_strikes": (N_MASKS, lambda one: one.mask),
        "nll_length": (len(LENGTHS), lambda one: one.length),
        "nll_touch": (len(TOUCHES), lambda one: one.touch),
    }
    paid = {}
    for name, (classes, read) in pairs.items():
        counts = np.bincount(np.concatenate([read(one) for one in lessons]), minlength=classes) + 1
        paid[name] = float(-np.log(counts / counts.sum())[np.concatenate([read(one) for one in judges])].mean())
    return paid


def _named(prefix: str, model: nn.Module) -> dict[str, NDArray]:
    return {f"{prefix}.{name}": tensor.detach().numpy() for name, tensor in model.state_dict().items()}


def _single(value: float) -> dict[str, Any]:
    return {"mean": value, "low": value, "high": value, "seeds": [value]}
