"""A judge predicts the emotion of a piece from audio, MIDI or both, and reports it for the whole and for windows.

The model behind a judge is an EmotionModel. Here a piece is cut into segments, the model predicts them in batches, and
the report says what limits it, such as silence, noise or a piece of few seconds.
"""

import importlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.checkpoint import SHIPPED, weights_folder
from emotion.errors import CheckpointError, SoundError
from emotion.features import frontends, sound
from emotion.midi import notes as midi_notes
from emotion.midi.notes import Notes
from emotion.runtime import resolve_device
from emotion.values import MEDIA, EmotionReport, Prediction

AUDIO, MIDI, BOTH = MEDIA
WINDOW_S, HOP_S = 8.0, 4.0
HELD_S = 0.5  # a note that still sounds this long after a segment begins belongs to it as well
RING_S = 2.0  # notes are cut this long after their segment ends: a drone must not count as an endless note
SILENCE_DB = -60.0  # a segment in which no band ever exceeds this is silent
SHORT_S = 5.0
BATCH_S = 256.0  # of music in one batch, padding included, 32 windows: bounds the memory
LONGEST_PIECE_S = 12 * 3600.0  # its rows take 830 MB
NOISE_DB = 1.0  # between noise of any colour, near .6, and the least tonal of 100 songs of 4Q, 1.3: see `tonality`


@dataclass(frozen=True)
class JudgeSpec:
    """The record of a judge, from which lists, tables, the page and the doctor are made.

    label       a line for lists on screen
    modalities  the inputs it takes, of "audio" and "MIDI"
    trained_on  data sets, whose terms the weights share
    licence     of the weights
    module      its load(folder, device=...) gives the EmotionModel; a name, so that nothing heavy is imported
    weights     folder of the weights that ship
    """

    label: str
    modalities: tuple[str, ...]
    trained_on: str
    licence: str
    module: str
    weights: Path


JUDGES: Mapping[str, JudgeSpec] = MappingProxyType({
    "poolingvq": JudgeSpec(
        "PoolingVQ: piano music as audio, MIDI or both; selects among candidates",
        (AUDIO, MIDI),
        "EMOPIA, VGMIDI",
        "CC BY-NC-SA 4.0",
        "emotion.models.poolingvq.ensemble",
        SHIPPED / "poolingvq",
    ),
    "adff": JudgeSpec(
        "ADFF: any audio; reports on finished pieces",
        (AUDIO,),
        "4Q, YM2413-MDB",
        "research use only",
        "emotion.models.adff",
        SHIPPED / "adff",
    ),
    "unified": JudgeSpec(
        "Unified: any music as audio, MIDI or both",
        (AUDIO, MIDI),
        "4Q, YM2413-MDB, VGMIDI, EMOPIA",
        "research use only",
        "emotion.models.unified",
        SHIPPED / "unified",
    ),
})  # fmt: skip
DEFAULT_JUDGE = "unified"  # meant for any music, and without a part in the selection of candidates

Span = tuple[float, float]  # from, to in s
Row = NDArray[np.float64]  # (6,): valence, arousal, the four quadrants' probabilities
_UNKNOWN = np.array([0.0, 0.0, 0.25, 0.25, 0.25, 0.25])


@dataclass(frozen=True, eq=False)
class Segment:
    """Music of duration_s: `mel` (T, 96) rows of emotion.features.sound, `notes` that start at 0, or None for either.

    `rows` are further features by the name of their front end (emotion.features.frontends), for models that need them.
    """

    mel: NDArray[np.float32] | None
    notes: Notes | None
    duration_s: float
    rows: Mapping[str, frontends.Rows] = field(default_factory=dict)

    def cut(self, start_s: float, end_s: float) -> "Segment":
        """The part between two times, without rows where they are silent and without MIDI that has no pitched notes."""
        mel = None if self.mel is None else self.mel[_mel_row(start_s) : _mel_row(end_s) + 1]
        notes = _pitched(self.notes.within(start_s, end_s, held_s=HELD_S), end_s - start_s) if self.notes else None
        if mel is None or mel.max(initial=-np.inf) <= SILENCE_DB:
            return Segment(None, notes, end_s - start_s)
        rows = {name: frontends.cut(name, rows, start_s, end_s) for name, rows in self.rows.items()}
        return Segment(mel, notes, end_s - start_s, rows)

    @property
    def silent(self) -> bool:
        """Whether it has neither audio nor notes."""
        return self.mel is None and self.notes is None

    @property
    def media(self) -> str:
        """Its modalities, one of MEDIA."""
        return BOTH if self.mel is not None and self.notes is not None else MIDI if self.mel is None else AUDIO


class EmotionModel(Protocol):
    """What a model must offer to be used by a judge.

    name        for reports
    sha256      of its weights
    modalities  the inputs it takes, of "audio" and "MIDI"
    longest_s   duration of the longest segment it takes, at least WINDOW_S
    frontends   optional: names of the front ends (emotion.features.frontends) it needs beside log-mel
    """

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def modalities(self) -> frozenset[str]: ...

    @property
    def longest_s(self) -> float: ...

    def predict(self, segments: Sequence[Segment]) -> NDArray[np.floating]:
        """(S, 6): valence, arousal in [-1, 1] and calibrated probabilities of the quadrants. No segment is silent."""
        ...


def load(name: str = DEFAULT_JUDGE, *, device: str | None = None) -> "Judge":
    """The judge of a name in JUDGES, loaded once a process for each folder of weights and device.

    Raises CheckpointError, and UserError for a device that is not there.
    """
    if name not in JUDGES:
        raise CheckpointError(f"unknown judge {name!r}: choose one of {', '.join(JUDGES)}")
    spec = JUDGES[name]
    return _load(spec.module, weights_folder(spec.weights), str(resolve_device(device)))


@lru_cache
def _load(module: str, folder: Path, device: str) -> "Judge":
    return Judge(importlib.import_module(module).load(folder, device=device))


class Judge:
    """Cuts pieces of any length into segments that a model can take, and makes reports of its predictions."""

    def __init__(self, model: EmotionModel) -> None:
        self.model = model

    def predict(self, audio: Path | None = None, midi: Path | None = None) -> EmotionReport:
        """Report on a sound file, a .mid, or both of the same piece. Raises SoundError."""
        return self.predict_segments([self.read(audio, midi)])[0]

    def predict_notes(self, notes: Notes, duration_s: float) -> EmotionReport:
        """Report on notes that are in memory."""
        return self.predict_segments([Segment(None, notes, duration_s)])[0]

    def predict_many_notes(self, pieces: Iterable[tuple[Notes, float]]) -> tuple[EmotionReport, ...]:
        """Reports on (notes, duration in s) of several pieces, predicted in common batches."""
        return self.predict_segments([Segment(None, notes, duration_s) for notes, duration_s in pieces])

    def predict_segments(self, pieces: Sequence[Segment]) -> tuple[EmotionReport, ...]:
        """Reports on whole pieces, predicted in common batches."""
        plans = [_Plan.of(piece, self.model.longest_s) for piece in pieces]
        pending = [(plan, span, cut) for plan in plans for span, cut in plan.cuts.items() if not cut.silent]
        pending.sort(key=lambda item: item[2].duration_s)
        for batch in _batches(pending):
            rows = np.asarray(self.model.predict([cut for _, _, cut in batch]), float)
            for (plan, span, _), row in zip(batch, rows, strict=True):
                plan.rows[span] = row
        return tuple(self._report(plan) for plan in plans)

    def read(self, audio: Path | None, midi: Path | None) -> Segment:
        """A piece in the modalities that the model uses; it lasts as long as the longer of its files.

        Raises SoundError.
        """
        modalities = self.model.modalities
        if audio is None and midi is None:
            raise SoundError("there is no input: give a sound file, a MIDI file or both")
        if not ((audio and AUDIO in modalities) or (midi and MIDI in modalities)):
            only = " and ".join(sorted(modalities))
            raise SoundError(f"the judge {self.model.name} takes only {only}, not {audio or midi}: give it {only}")
        mel, rows = None, {}
        if audio and AUDIO in modalities:
            mel = sound.log_mel(_bounded(sound.read(audio), audio))
            for name in getattr(self.model, "frontends", ()):  # each decodes the file anew: hours of samples do not fit
                rows[name] = frontends.FRONTENDS[name].of(_bounded(sound.read(audio), audio))
        notes = midi_notes.read(midi) if midi and MIDI in modalities else None
        duration_s = max(_mel_s(mel), notes.duration_s if notes is not None else 0.0)
        if duration_s > LONGEST_PIECE_S:
            raise SoundError(_too_long(audio if notes is None else midi))
        return Segment(mel, notes, duration_s, rows)

    def _report(self, plan: "_Plan") -> EmotionReport:
        piece = plan.piece
        parts_rows = [plan.rows[span] for span in plan.parts if span in plan.rows]
        whole = np.mean(parts_rows, axis=0) if parts_rows else _UNKNOWN
        kept = piece.cut(0.0, piece.duration_s)
        return EmotionReport(
            _prediction((0.0, piece.duration_s), whole),
            tuple(_prediction(span, plan.rows.get(span, _UNKNOWN)) for span in plan.windows),
            (piece if kept.silent else kept).media,
            self.model.name,
            self.model.sha256,
            tuple(_remarks(plan, kept)),
        )


@dataclass(frozen=True, eq=False)
class _Plan:
    """A piece, the spans that are predicted (parts make the whole), their segments, and the model's rows so far."""

    piece: Segment
    parts: tuple[Span, ...]
    windows: tuple[Span, ...]
    cuts: Mapping[Span, Segment]
    rows: dict[Span, Row] = field(default_factory=dict)

    @classmethod
    def of(cls, piece: Segment, longest_s: float) -> "_Plan":
        whole, each = parts(piece.duration_s, longest_s), windows(piece.duration_s)
        return cls(piece, whole, each, {span: piece.cut(*span) for span in (*whole, *each)})


_Pending = tuple[_Plan, Span, Segment]


def windows(duration_s: float) -> tuple[Span, ...]:
    """Windows of WINDOW_S, one every HOP_S, the last ending at the end; one for all that is shorter."""
    last = duration_s - WINDOW_S
    if last <= 0:
        return ((0.0, duration_s),)
    before = math.ceil(last / HOP_S - 1e-3)  # no window that would differ from the last one by rounding alone
    return *((number * HOP_S, number * HOP_S + WINDOW_S) for number in range(before)), (last, duration_s)


def parts(duration_s: float, longest_s: float) -> tuple[Span, ...]:
    """The fewest equal consecutive spans that are no longer than longest_s."""
    edges = np.linspace(0, duration_s, max(1, math.ceil(duration_s / longest_s)) + 1).tolist()
    return tuple(itertools.pairwise(edges))


def _pitched(notes: Notes, duration_s: float) -> Notes | None:
    """The notes, cut at RING_S after the end; None where there are none, or drums alone."""
    if notes.drums.all():
        return None
    return replace(notes, end_s=np.minimum(notes.end_s, duration_s + RING_S))


def tonality(mel: NDArray[np.float32]) -> float:
    """Peakiness of log-mel rows (T, 96) in dB: deviation of mean spectra of half a second from their smoothed selves.

    The median over the half seconds that are not silent. Noise of any colour is smooth but for chance.
    """
    size = sound.ROWS_PER_S // 2
    blocks = mel[: len(mel) // size * size].reshape(-1, size, sound.BANDS)
    spectra = blocks[blocks.max((1, 2), initial=-np.inf) > SILENCE_DB].mean(1)
    if not len(spectra):
        return math.inf
    wide = np.pad(spectra, ((0, 0), (4, 4)), mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(wide, 9, axis=1).mean(-1)
    return float(np.median((spectra - smooth).std(1)))


def _batches(pending: Sequence[_Pending]) -> Iterator[list[_Pending]]:
    """Batches of segments sorted by length: at most BATCH_S with padding, and at most half of a row is padding."""
    batch: list[_Pending] = []
    for item in pending:
        longest_s = item[2].duration_s
        if batch and (longest_s * (len(batch) + 1) > BATCH_S or longest_s > 2 * batch[0][2].duration_s):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _prediction(span: Span, row: Row) -> Prediction:
    valence, arousal = np.clip(row[:2], -1, 1)
    first, second, third, fourth = (row[2:] / row[2:].sum()).tolist()  # float32 rows do not sum to 1 exactly
    return Prediction(*span, float(valence), float(arousal), (first, second, third, fourth))


def _mel_row(time_s: float) -> int:
    return round(time_s * sound.ROWS_PER_S)


def _bounded(blocks: Iterator[sound.Samples], path: Path) -> Iterator[sound.Samples]:
    """The same blocks; raises SoundError once they exceed LONGEST_PIECE_S, before they fill the memory."""
    left = LONGEST_PIECE_S * sound.SAMPLE_RATE
    for block in blocks:
        left -= len(block)
        if left < 0:
            raise SoundError(_too_long(path))
        yield block


def _too_long(path: Path | None) -> str:
    return f"{path} lasts more than {LONGEST_PIECE_S / 3600:g} hours: cut it into shorter pieces"


def _mel_s(mel: NDArray[np.float32] | None) -> float:
    return 0.0 if mel is None else (len(mel) - 1) / sound.ROWS_PER_S


def _remarks(plan: _Plan, kept: Segment) -> Iterator[str]:
    """What limits a report; `kept` is the piece without silent audio and without MIDI that has no pitched notes."""
    piece = plan.piece
    if piece.mel is not None and kept.mel is None:
        yield "the sound is silent" + (": its emotion is unknown" if kept.silent else ": only the MIDI counts")
    if piece.notes is not None and kept.notes is None:
        yield ("the MIDI has drums alone" if len(piece.notes) else "the MIDI has no notes") + (
            ": its emotion is unknown" if kept.silent else ": only the sound counts"
        )
    empty = sum(span not in plan.rows for span in plan.windows)
    if empty and not kept.silent:
        yield f"{empty} of {len(plan.windows)} windows are silent: their emotion is unknown"
    if piece.duration_s < SHORT_S and not kept.silent:
        yield f"it lasts {piece.duration_s:.1f} s: less than {SHORT_S:g} s says little"
    if kept.mel is not None and tonality(kept.mel) < NOISE_DB:
        yield "it sounds like noise, and the judge was trained on music alone"
    if len(plan.parts) > 1:
        sounding = sum(span in plan.rows for span in plan.parts)
        yield (
            f"it lasts {piece.duration_s:.0f} s, longer than the judge takes at once: the whole is the mean of "
            f"{sounding} segments of {plan.parts[0][1]:.0f} s"
        )
    if kept.mel is None or kept.notes is None:
        return
    audio_s, midi_s = _mel_s(kept.mel), kept.notes.duration_s
    if abs(audio_s - midi_s) > max(2.0, 0.1 * max(audio_s, midi_s)):
        yield f"the sound lasts {audio_s:.1f} s and the MIDI {midi_s:.1f} s: they may not be of the same piece"
