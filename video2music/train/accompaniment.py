"""Train the accompaniment: two small networks learn from POP909's pianists which voices have onsets, how long and hard.

A song's chords are voiced as the arranger would voice them, and every note of its PIANO track becomes an onset of the
slot whose pitch is nearest; the networks of `arranging.accompaniment` are trained on those.

The half of the songs that `evaluate.music.frechet_distance` measures is never read. Of the others every tenth among
the first 300 chooses the epoch. The section features are of these 300, which are played with a more varied touch than
the rest.
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
from emotion.runtime import resolve_device
from video2music.arranging import accompaniment
from video2music.arranging.accompaniment import (
    KIND,
    LENGTHS,
    N_CONDITIONS,
    N_CONTEXT,
    N_FLAGS,
    N_HISTORY,
    N_MASKS,
    N_NOTE_FEATURES,
    N_SLOTS,
    PER_BEAT,
    SECTION_FEATURES,
    TOUCH_SIGNS,
    Flags,
    Floats,
    Indices,
    Lattice,
)
from video2music.arranging.grid import beats_of
from video2music.arranging.voicing import carried_through, voice
from video2music.chords import Chord
from video2music.data import pop909
from video2music.data.pop909 import PianoSong
from video2music.evaluate.music import frechet_distance
from video2music.styles import Registers, load_style
from video2music.train import card

log = logging.getLogger(__name__)

SECTION_BARS = 8  # over which the features of a section are taken
HARD, SOFT = 4, -4  # velocity above and below the bar's mean from which on a note is accented or soft
OTHER_CLASS = 5.0  # cost, in semitones of distance, of a slot of another pitch class
MIN_LENGTH = 0.7  # positions
MIN_DENSITY = 0.25  # notes and seconds of sound a beat


class AssignedNotes(NamedTuple):
    """Notes with the slot they were assigned to, each (n,): position, slot, length in positions, velocity."""

    at: Indices
    slot: Indices
    length: NDArray[np.float64]
    velocity: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainingSong:
    """Inputs and targets from one song of P positions and n notes.

    history  (P, N_HISTORY) positions whose onsets are inputs; context (P, N_CONTEXT) the other inputs
    onsets   (P, 6) bool; played (P,) bool: positions in bars that have an onset
    notes    (n, N_NOTE_FEATURES) inputs of each note; length (n,) its class of LENGTHS, touch (n,) of TOUCH_SIGNS
    sections (S, len(SECTION_FEATURES)) of the song's sections
    """

    name: str
    history: Indices
    context: Floats
    onsets: Flags
    played: Flags
    notes: Floats
    length: Indices
    touch: Indices
    sections: Floats

    @property
    def past(self) -> Flags:
        """(played positions, N_HISTORY * 6) the onsets at the positions of the history."""
        before = np.zeros((1, N_SLOTS), bool)  # at index -1: the positions before the song
        return np.concatenate([self.onsets, before])[self.history[self.played]].reshape(int(self.played.sum()), -1)

    @property
    def mask(self) -> Indices:
        """(played positions,) which of the 64 masks of slots it is."""
        return np.asarray(self.onsets[self.played] @ (1 << np.arange(N_SLOTS)), np.int64)


def training_song(song: PianoSong, registers: Registers) -> TrainingSong:
    """Inputs and targets from a song, relative to our voicing of its chords in these registers."""
    form = frechet_distance.form_of(song)
    # 1e-6 s: a step that begins with a bar belongs to it, whatever the rounding
    lattice = Lattice.of(beats_of(form), np.searchsorted(form.bars_s, form.steps_s + 1e-6) - 1)
    chords = pop909.chords_at(song, form.steps_s, form.step_ends_s)
    pitches = voiced(chords, registers)
    notes = assigned(song, lattice, pitches)
    onsets = np.zeros((len(lattice), N_SLOTS), bool)
    onsets[notes.at, notes.slot] = True
    conditions, sections = _conditions(lattice, onsets, notes, float(np.median(np.diff(form.beats_s))))
    bass_only = np.array([chord.root is None for chord in chords])
    flags = accompaniment.context_flags(lattice, accompaniment.harmony_changes(pitches), bass_only)
    context = np.concatenate([flags, conditions], axis=1)
    features = accompaniment.note_features(
        lattice, onsets, notes.at, notes.slot, conditions[notes.at], accompaniment.next_changes(lattice, pitches)
    )
    length = np.abs(np.log(notes.length.clip(MIN_LENGTH)[:, None] / LENGTHS)).argmin(1)
    # Touch is relative to the bar's mean velocity, because songs and sections differ in loudness.
    bar = lattice.bar[notes.at]
    away = notes.velocity - (np.bincount(bar, notes.velocity) / np.bincount(bar).clip(1))[bar]
    touch = 1 + (away > HARD).astype(int) - (away < SOFT)
    played = np.isin(lattice.bar, bar)
    return TrainingSong(song.name, lattice.history, context, onsets, played, features, length, touch, sections)


def voiced(chords: Sequence[Chord], registers: Registers) -> Indices:
    """(N, 6) pitches of the slots, as the arranger voices the chords; N carries the harmony on."""
    harmony = carried_through(chords, Chord(0, "maj"))
    four = np.array(
        voice(harmony, bass=registers.bass, upper=registers.upper, inversions=registers.inversions), np.int64
    )
    return np.concatenate([four[:, :1] + [-12, 0, 12], four[:, 1:]], axis=1)


def assigned(song: PianoSong, lattice: Lattice, pitches: Indices) -> AssignedNotes:
    """The notes of a song, each assigned to a slot among the pitches (N, 6) of its step.

    Notes with one onset take different slots in the order of their pitch, with the least distance in all.
    """
    piano = song.piano
    place = frechet_distance.in_beats(piano.start_s, song.beats_s) * PER_BEAT
    length = frechet_distance.in_beats(piano.end_s, song.beats_s) * PER_BEAT - place
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
    return AssignedNotes(nearest[note], slot, length[note], piano.velocity[note].astype(float))


_CHOICES = tuple(tuple(combinations(range(N_SLOTS), size)) for size in range(N_SLOTS + 1))


def _slots(group: Indices, pitch: Indices, slots: Indices) -> Iterable[tuple[int, int]]:
    """(note, slot) of notes with one onset; of more than six the two lowest and the highest are kept."""
    if len(group) > N_SLOTS:
        keep = [0, 1, *range(len(group) - N_SLOTS + 2, len(group))]
        group, pitch = group[keep], pitch[keep]
    order = np.argsort(slots, kind="stable")
    away = pitch[:, None] - slots[order]
    cost = np.abs(away) + OTHER_CLASS * (away % 12 != 0)
    choices = np.array(_CHOICES[len(group)])
    best = choices[cost[np.arange(len(group)), choices].sum(1).argmin()]
    return zip(group.tolist(), order[best].tolist(), strict=True)


def _conditions(lattice: Lattice, onsets: Flags, notes: AssignedNotes, beat_s: float) -> tuple[Floats, Floats]:
    """Features of the section, log density of the bar and log beat at each position (P, N_CONDITIONS + 2); and the
    features of all sections (S, len(SECTION_FEATURES)).
    """
    bar, bars = lattice.bar[notes.at], int(lattice.bar[-1]) + 1
    beats = np.bincount(lattice.bar, minlength=bars) / PER_BEAT
    filled = np.bincount(bar, 1 + notes.length / PER_BEAT * beat_s, minlength=bars) / beats
    section = lattice.bar // SECTION_BARS
    features = np.array(list(_section_features(lattice, onsets, notes, section, beat_s)), np.float32)
    density = np.log(filled.clip(MIN_DENSITY))[lattice.bar]
    columns = [features[section][:, :N_CONDITIONS], density[:, None], np.full((len(lattice), 1), np.log(beat_s))]
    return np.concatenate(columns, axis=1).astype(np.float32), features


def _section_features(
    lattice: Lattice, onsets: Flags, notes: AssignedNotes, section: Indices, beat_s: float
) -> Iterator[NDArray[np.float64]]:
    """SECTION_FEATURES of each section, zeros for one without an onset."""
    any_onset = np.any(onsets, axis=1)
    before = any_onset[lattice.history[:, accompaniment.PREVIOUS_BAR]]
    for number in range(section[-1] + 1):
        here = section == number
        own = AssignedNotes(*(column[here[notes.at]] for column in notes))
        if not len(own.at):
            yield np.zeros(len(SECTION_FEATURES))
            continue
        within = lattice.place[own.at] % PER_BEAT
        bar = lattice.bar[own.at]
        touch = np.mean([own.velocity[bar == one].std() for one in np.unique(bar)])
        overlap = (any_onset & before)[here].sum() / max((any_onset | before)[here].sum(), 1)
        filled = (len(own.at) + own.length.sum() / PER_BEAT * beat_s) / (here.sum() / PER_BEAT)
        yield np.array([
            len(own.at) / any_onset[here].sum(), (within == 2).mean(), (within % 2 == 1).mean(),
            np.log(own.length.mean().clip(0.5)), overlap, touch / 10, (own.slot < 2).mean(), np.log(filled),
            np.log(beat_s),
        ])  # fmt: skip


STYLE = "piano"  # in whose registers the chords are voiced
VARIED = 300  # the section features are of songs up to this number
HELD_OUT = 10  # every tenth song
TEXT = card.CardText(
    "accompaniment: patterns as pianists play them",
    "Two small networks draw accompaniment patterns relative to the chord. The first says for every sixteenth which of "
    "six voices (sub, bass, octave, tenor, alto, soprano) have an onset, from the onsets before and those at the same "
    "place one, two and four bars ago, the metre, the changes of harmony, the wanted density and the features of the "
    "section; the second says how long and how hard each note is. They run in numpy.",
    "POP909 (Wang et al., ISMIR 2020, MIT): PIANO tracks, beats and chords of the half of the songs that "
    "`evaluate music --human` does not measure. The weights hold the section features, nine numbers for each eight "
    "bars of the learned songs among the first 300, and no notes.",
    "Nats a sixteenth (which of 64 sets of voices have an onset) and a note (length, touch) on held-out songs of the "
    "learned half, given what the pianist played before; `alone` predicts how often each class comes and nothing else.",
    "video2music train accompaniment --data POP909",
)


@dataclass(frozen=True)
class AccompanimentConfig:
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


class OnsetNetwork(nn.Module):
    """Logits of the 64 masks (B, 64), from past onsets (B, N_HISTORY * 6) and context (B, N_CONTEXT)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.history = nn.Linear(N_HISTORY * N_SLOTS, width, bias=False)
        self.context = nn.Linear(N_CONTEXT, width)
        self.inner = nn.Linear(width, width)
        self.out = nn.Linear(width, N_MASKS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, past: Tensor, context: Tensor) -> Tensor:
        hidden = self.dropout(torch.relu(self.history(past.float()) + self.context(context)))
        logits: Tensor = self.out(torch.relu(self.inner(hidden)))
        return logits


class NoteNetwork(nn.Module):
    """Logits of the lengths, then of the touches, from note features (n, N_NOTE_FEATURES)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.into = nn.Linear(N_NOTE_FEATURES, width)
        self.out = nn.Linear(width, len(LENGTHS) + len(TOUCH_SIGNS))
        self.dropout = nn.Dropout(dropout)

    def forward(self, notes: Tensor) -> Tensor:
        logits: Tensor = self.out(self.dropout(torch.relu(self.into(notes))))
        return logits


def train(
    data: Path, out: Path, *, config: AccompanimentConfig | None = None, songs: int | None = None
) -> dict[str, Any]:
    """Train on POP909 in `data`, of which at most the first `songs`; write weights, config and card to `out`.

    Returns the report on the held-out songs. Raises DataError.
    """
    config = config or AccompanimentConfig()
    torch.manual_seed(config.seed)
    names = split([name for name in pop909.song_names(data)[:songs] if not frechet_distance.is_measured(name)])
    assert not any(frechet_distance.is_measured(name) for part in names for name in part)
    registers = load_style(STYLE).registers
    learned, held_out = ([training_song(song, registers) for song in pop909.load_all(data, part)] for part in names)
    if not learned or not held_out:
        raise DataError(f"{data} has too few songs of the half that is learned from: give the whole of POP909")
    onsets, context_scale, onset_losses = _fit_onsets(learned, held_out, config)
    notes, note_scale, note_losses = _fit_notes(learned, held_out, config)
    tensors = {
        **_named("onsets", onsets),
        **_named("touch", notes),
        "context_mean": context_scale[0],
        "context_scale": context_scale[1],
        "notes_mean": note_scale[0],
        "notes_scale": note_scale[1],
        "section_features": section_features(learned),
    }
    training = {"recipe": asdict(config), "songs": len(learned), "held_out": names[1]}
    checkpoint.save(
        out,
        kind=KIND,
        config={"training": training},
        tensors={name: tensor.astype(np.float16) for name, tensor in tensors.items()},
    )
    rows = {"shipped": {**onset_losses, **note_losses}, "alone": _class_frequencies(learned, held_out)}
    summaries = {
        name: {metric: {"mean": value, "low": value, "high": value, "seeds": [value]} for metric, value in row.items()}
        for name, row in rows.items()
    }
    report = reports.from_summaries("accompaniment", "POP909", "held-out songs", [config.seed], summaries)
    card.write(out, TEXT, reports=[report], details=training)
    return report


def split(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Songs to learn from and held-out ones, every tenth of those up to VARIED."""
    varied = [name for name in names if int(name) <= VARIED]
    held_out = varied[::HELD_OUT]
    return [name for name in names if name not in held_out], held_out


def section_features(songs: Sequence[TrainingSong]) -> Floats:
    """(S, len(SECTION_FEATURES)) of the sections with an onset, of the songs up to VARIED."""
    rows = np.concatenate([one.sections for one in songs if int(one.name) <= VARIED])
    return rows[rows.any(1)]


Scale = tuple[Floats, Floats]
Fitted = tuple[nn.Module, Scale, dict[str, float]]
Losses = Callable[[nn.Module, list[Tensor]], dict[str, Tensor]]


def _scale(rows: Floats, flags: int) -> Scale:
    """Mean and spread of columns; the first `flags` are 0 or 1 and stay as they are."""
    mean, spread = rows.mean(0), rows.std(0) + 1e-3
    mean[:flags], spread[:flags] = 0, 1
    return mean, spread


def _fit_onsets(
    learned: Sequence[TrainingSong], held_out: Sequence[TrainingSong], config: AccompanimentConfig
) -> Fitted:
    scale = _scale(np.concatenate([one.context[one.played] for one in learned]), N_FLAGS)

    def rows(songs: Sequence[TrainingSong]) -> list[Tensor]:
        context = np.concatenate([(one.context[one.played] - scale[0]) / scale[1] for one in songs])
        columns = (np.concatenate([one.past for one in songs]), context, np.concatenate([one.mask for one in songs]))
        return [torch.from_numpy(column) for column in columns]

    def losses(model: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
        return {"nll_onsets": cross_entropy(model(batch[0], batch[1]), batch[2])}

    model = OnsetNetwork(config.width, config.dropout)
    return model, scale, _fit(model, rows(learned), rows(held_out), losses, config, config.epochs)


def _fit_notes(
    learned: Sequence[TrainingSong], held_out: Sequence[TrainingSong], config: AccompanimentConfig
) -> Fitted:
    scale = _scale(np.concatenate([one.notes for one in learned]), 0)

    def rows(songs: Sequence[TrainingSong]) -> list[Tensor]:
        notes = np.concatenate([(one.notes - scale[0]) / scale[1] for one in songs])
        columns = (notes, np.concatenate([one.length for one in songs]), np.concatenate([one.touch for one in songs]))
        return [torch.from_numpy(column) for column in columns]

    def losses(model: nn.Module, batch: list[Tensor]) -> dict[str, Tensor]:
        length, touch = torch.split(model(batch[0]), [len(LENGTHS), len(TOUCH_SIGNS)], dim=1)
        return {"nll_length": cross_entropy(length, batch[1]), "nll_touch": cross_entropy(touch, batch[2])}

    model = NoteNetwork(config.note_width, config.dropout)
    return model, scale, _fit(model, rows(learned), rows(held_out), losses, config, config.note_epochs)


def _fit(
    model: nn.Module,
    rows: list[Tensor],
    held_out: list[Tensor],
    losses: Losses,
    config: AccompanimentConfig,
    epochs: int,
) -> dict[str, float]:
    """Train with a one-cycle learning rate; keep the epoch with the least held-out loss, and return its losses."""
    device = resolve_device()
    model.to(device)
    rows, held_out = ([column.to(device) for column in part] for part in (rows, held_out))
    steps = epochs * -(-len(rows[0]) // config.batch)
    optimizer = torch.optim.AdamW(model.parameters(), config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=steps)
    best, kept = {"": float("inf")}, copy.deepcopy(model.state_dict())
    for epoch in range(epochs):
        model.train()
        for places in torch.split(torch.randperm(len(rows[0])), config.batch):
            optimizer.zero_grad()
            batch = [column[places] for column in rows]
            loss = torch.stack(list(losses(model, batch).values())).sum()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            found = {name: float(loss) for name, loss in losses(model, held_out).items()}
        log.info("epoch %d: %s", epoch + 1, ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
        if sum(found.values()) < sum(best.values()):
            best, kept = found, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    model.cpu()
    return best


def _class_frequencies(learned: Sequence[TrainingSong], held_out: Sequence[TrainingSong]) -> dict[str, float]:
    """The baseline: losses of a model that only knows how often each class comes."""
    targets: dict[str, tuple[int, Callable[[TrainingSong], Indices]]] = {
        "nll_onsets": (N_MASKS, lambda one: one.mask),
        "nll_length": (len(LENGTHS), lambda one: one.length),
        "nll_touch": (len(TOUCH_SIGNS), lambda one: one.touch),
    }
    losses = {}
    for name, (classes, read) in targets.items():
        # one more of each, so that a class that was not learned has a finite loss
        counts = np.bincount(np.concatenate([read(one) for one in learned]), minlength=classes) + 1
        losses[name] = float(-np.log(counts / counts.sum())[np.concatenate([read(one) for one in held_out])].mean())
    return losses


def _named(prefix: str, model: nn.Module) -> dict[str, Floats]:
    return {f"{prefix}.{name}": tensor.detach().numpy() for name, tensor in model.state_dict().items()}
