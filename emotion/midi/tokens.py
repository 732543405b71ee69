"""Notes to compound tokens, one a note, with MidiTok's Octuple vocabulary (Zeng and others, MusicBERT, 2021).

Time is in seconds: every second counts as two beats at 120 a minute, whatever the file's tempo, because emotion
depends on notes a second, and because performances such as EMOPIA's have no bars. The bar that
Octuple counts becomes the time; two columns are ours: the time since the note before, and the pitch class above the
tonic, so that a model need not learn twelve keys.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotion.features.descriptors import key_correlations
from emotion.midi.notes import Notes

if TYPE_CHECKING:
    from miditok import Octuple

COLUMNS = ("pitch", "velocity", "duration", "position", "gap", "degree")
BEATS_PER_S = 2
GRID = 12  # positions in a beat: 42 ms
TICKS = 480  # a beat
LONGEST_S = 120.0  # the vocabulary's last bar
GAPS = (0, 1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48)  # lower edges of the classes, in 42 ms
_PITCH, _POSITION, _BAR, _VELOCITY, _DURATION = range(5)  # Octuple's own columns
SPECIAL = 4  # PAD, BOS, EOS and MASK come first in each of its vocabularies
PAD, MASK = 0, 3


def tokenize(notes: Notes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Compound tokens (N, 6) in COLUMNS' order and the time of each in seconds (N,); drums are left out.

    Ids below 4 are special: PAD is 0, MASK is 3. Notes that start after LONGEST_S are left out.
    """
    octuples = _octuple(notes)
    if not len(octuples):
        return np.zeros((0, len(COLUMNS)), np.int64), np.zeros(0, np.float32)
    position = (octuples[:, _BAR] - SPECIAL) * 4 * GRID + octuples[:, _POSITION] - SPECIAL
    gap = np.searchsorted(GAPS, np.diff(position, prepend=position[0]), side="right") - 1
    pitch = octuples[:, _PITCH] - SPECIAL
    tonic, _, _ = key_correlations(np.bincount(pitch % 12, np.sqrt(octuples[:, _DURATION] - 3), 12))
    columns = (
        octuples[:, _PITCH],
        octuples[:, _VELOCITY],
        octuples[:, _DURATION],
        octuples[:, _POSITION],
        gap + SPECIAL,
        (pitch - tonic) % 12 + SPECIAL,
    )
    return np.stack(columns, axis=1), (position / (GRID * BEATS_PER_S)).astype(np.float32)


def sizes() -> tuple[int, ...]:
    """How many ids each column has, special ones included."""
    vocabularies = [len(vocabulary) for vocabulary in _tokenizer().vocab]
    own = {"gap": SPECIAL + len(GAPS), "degree": SPECIAL + 12}
    theirs = {"pitch": _PITCH, "velocity": _VELOCITY, "duration": _DURATION, "position": _POSITION}
    return tuple(own[name] if name in own else vocabularies[theirs[name]] for name in COLUMNS)


@lru_cache(maxsize=1)
def _tokenizer() -> "Octuple":
    import miditok

    config = miditok.TokenizerConfig(
        pitch_range=(0, 127),
        beat_res={(0, 4): GRID, (4, 12): 4},
        num_velocities=32,
        use_programs=False,
        use_tempos=False,
        use_time_signatures=False,
        use_pitchdrum_tokens=False,
        max_bar_embedding=int(LONGEST_S * BEATS_PER_S / 4) + 1,
    )
    return miditok.Octuple(config)


def _octuple(notes: Notes) -> NDArray[np.int64]:
    """Octuple's tokens (N, 5): pitch, position, bar, velocity, duration."""
    score = _score(notes)
    if not len(score.tracks[0].notes):
        return np.zeros((0, 5), np.int64)
    found: Any = _tokenizer()(score)
    return np.array((found[0] if isinstance(found, list) else found).ids, np.int64).reshape(-1, 5)


def _score(notes: Notes) -> Any:
    """A symusic score of one track at 120 beats a minute."""
    import symusic

    score: Any = symusic.Score(TICKS)
    score.tempos.append(symusic.Tempo(0, qpm=60 * BEATS_PER_S))
    score.time_signatures.append(symusic.TimeSignature(0, 4, 4))
    track: Any = symusic.Track("", 0, False)
    kept = ~notes.drums & (notes.start_s < LONGEST_S) & (notes.velocity > 0)
    scale = TICKS * BEATS_PER_S
    start = np.round(notes.start_s[kept] * scale).astype(np.int32)
    length = np.maximum(np.round(notes.end_s[kept] * scale).astype(np.int32) - start, 1)
    pitch, velocity = (row[kept].astype(np.int8) for row in (notes.pitch, notes.velocity))
    track.notes = symusic.Note.from_numpy(time=start, duration=length, pitch=pitch, velocity=velocity)
    score.tracks.append(track)
    return score
