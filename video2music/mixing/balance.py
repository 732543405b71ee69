"""How loud music and a clip's own sound are beside each other.

They are set against each other by loudness. Where somebody speaks, the speech counts and not what is between: the
music stands DUCKED_LU below it and goes down further while it sounds, or BESIDE_LU below it throughout. Otherwise the
clip's own sound stands AMBIENCE_LU below the music, but is never raised by more than MOST_RAISED_DB, which would bring
up the camera's noise. The peaks of the own sound are limited by themselves, with some room left for the music: one
limiter for both would make the music flutter with each loud syllable.

Music goes down before somebody speaks and comes back after it, too gently to be noticed.

The gain in dB falls along a raised cosine of ATTACK_S that ends when the speech begins, stays down until HOLD_S after
its end, and rises along one of RELEASE_S. Pauses in which it would hardly come back are passed over, so that it does
not pump between words.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.midi.synthesis import SAMPLE_RATE
from video2music.mixing import limiter
from video2music.mixing.loudness import SPAN, SPANS_PER_STEP, Curve, Profile, integrated
from video2music.mixing.speech import Stretch

DUCKED_LU = 4.0
BESIDE_LU = 8.0
AMBIENCE_LU = 6.0
MOST_RAISED_DB = 6.0
ROOM_DB = 1.0  # between the peaks of the own sound and the ceiling
RELEASE_DB_PER_S = 240.0  # of its limiter: a voice alone bears that, and keeps more of its loudness
QUIETEST_LUFS = -70.0  # stands for what no gate lets through
_ROUNDS = 3  # what limiting takes from a voice is made up for, which means more limiting


@dataclass(frozen=True)
class Own:
    """A clip's own sound and where somebody speaks in it."""

    profile: Profile
    speech: list[Stretch]

    @property
    def spoken(self) -> NDArray[np.bool_]:
        """Which spans have speech (spans,)."""
        middles_s = (np.arange(len(self.profile.peaks)) + 0.5) * SPAN / SAMPLE_RATE
        marks = np.zeros(len(middles_s), bool)
        for start_s, end_s in self.speech:
            marks |= (middles_s >= start_s) & (middles_s < end_s)
        return marks

    def lufs(self, limiting_db: Curve | None = None) -> float:
        """Integrated loudness of its speech, of all where nobody speaks; with its peaks limited, if they are."""
        energy = self.profile.energy
        if limiting_db is not None:
            energy = energy * _power(limiting_db)
        spoken = self.spoken[::SPANS_PER_STEP]
        heard = integrated(energy[spoken]) if spoken.any() else None
        heard = integrated(energy) if heard is None else heard
        return QUIETEST_LUFS if heard is None else heard


@dataclass(frozen=True)
class Balance:
    """Gains in dB of music and own sound before both are mastered together, and what moves with time, (spans,) in dB:
    the ducking of the music and the limiting of the own sound.
    """

    music_db: float
    source_db: float
    ducking_db: Curve
    limiting_db: Curve

    @property
    def music(self) -> Curve:
        """Linear gain (spans,) of the music."""
        return 10 ** ((self.music_db + self.ducking_db) / 20)

    @property
    def source(self) -> Curve:
        """Linear gain (spans,) of the own sound."""
        return 10 ** ((self.source_db + self.limiting_db) / 20)

    @property
    def source_limited_db(self) -> float:
        """The most that is taken from the peaks of the own sound, in dB."""
        return abs(float(self.limiting_db.min(initial=0.0)))

    def ducked_db(self, own: Own) -> float:
        """How much lower the music is while speech sounds than in the gaps, in dB of power; 0 without speech."""
        spoken, power = own.spoken, 10 ** (self.ducking_db / 10)
        if not spoken.any():
            return 0.0
        gaps = 1.0 if spoken.all() else power[~spoken].mean()
        return 10 * float(np.log10(gaps / power[spoken].mean()))


def balance(music: Profile, own: Own, *, ducked: bool, lufs: float) -> Balance:
    """How music and own sound, as long as each other, stand to each other in a mix of that loudness; see above."""
    down = curve(own.speech, len(music.peaks)) if ducked else np.zeros_like(music.peaks)
    found = Balance(0.0, 0.0, down, np.zeros_like(music.peaks))
    for _ in range(_ROUNDS):
        music_db, source_db = _gains(music, own, found, ducked, lufs)
        energy = music.energy * _power(down) * 10 ** (music_db / 10) + own.profile.energy * 10 ** (source_db / 10)
        together = Profile(energy, own.profile.peaks * 10 ** (source_db / 20), own.profile.frames)
        mastered_db = limiter.gain_for(together, lufs, release_db_per_s=RELEASE_DB_PER_S).fixed_db
        over_db = source_db + mastered_db + ROOM_DB
        limiting_db = limiter.limiting(own.profile.peaks, over_db, release_db_per_s=RELEASE_DB_PER_S)
        found = Balance(music_db, source_db, down, limiting_db)
    return found


def _gains(music: Profile, own: Own, so_far: Balance, ducked: bool, lufs: float) -> tuple[float, float]:
    """Of music and own sound, in dB."""
    level = lufs if music.lufs is None else music.lufs
    if own.speech:
        return own.lufs(so_far.limiting_db) - (DUCKED_LU if ducked else BESIDE_LU) - level, 0.0
    return lufs - level, min(lufs - AMBIENCE_LU - own.lufs(), MOST_RAISED_DB)


def _power(gain_db: Curve) -> Curve:
    """Mean power (steps,) of a gain (spans,) in dB."""
    return (10 ** (gain_db / 10)).reshape(-1, SPANS_PER_STEP).mean(axis=1)


DEPTH_DB = 12.0
ATTACK_S = 0.25
HOLD_S = 0.3
RELEASE_S = 0.7
SHORTEST_GAP_S = 1.5  # music that comes up for less than this is more of a disturbance than music that stays down


def curve(speech: Iterable[Stretch], spans: int, *, depth_db: float = DEPTH_DB) -> Curve:
    """Decibels (spans,) between -depth_db and 0 of music beside speech, one a span of 3.3 ms."""
    middles_s = (np.arange(spans) + 0.5) * SPAN / SAMPLE_RATE
    gain_db = np.zeros(spans)
    for start_s, end_s in _joined(speech):
        first, last = np.searchsorted(middles_s, [start_s - ATTACK_S, end_s + HOLD_S + RELEASE_S])
        near_s = middles_s[first:last]
        down = _eased((near_s - start_s + ATTACK_S) / ATTACK_S) * _eased(
            (end_s + HOLD_S + RELEASE_S - near_s) / RELEASE_S
        )
        gain_db[first:last] = np.minimum(gain_db[first:last], -depth_db * down)
    return gain_db


def _joined(speech: Iterable[Stretch]) -> list[Stretch]:
    """Stretches of speech, those with too short a gap between them made one."""
    joined: list[Stretch] = []
    for stretch in speech:
        if joined and stretch.start_s - joined[-1].end_s < SHORTEST_GAP_S:
            joined[-1] = Stretch(joined[-1].start_s, max(joined[-1].end_s, stretch.end_s))
        else:
            joined.append(stretch)
    return joined


def _eased(share: Curve) -> Curve:
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(share, 0, 1))
