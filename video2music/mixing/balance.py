"""Balance: the gains of the music and of a clip's own audio (the source) in their mix, and the ducking under speech.

Both are set by loudness. If the source has speech, the loudness of the speech alone counts: the music is DUCKED_LU
below it and is ducked further during speech, or it is BESIDE_LU below it throughout. Without speech the source
is AMBIENCE_LU below the music, but is never raised by more than MAX_RAISE_DB, which would raise the camera's noise. The
peaks of the source are limited separately, with some headroom left for the music: one limiter for both would modulate
the music with each loud syllable.

Ducking: the gain of the music in dB falls along a raised cosine of ATTACK_S that ends when the speech begins, stays
down until HOLD_S after its end, and rises along one of RELEASE_S. Pauses shorter than MIN_GAP_S are ignored, so that
the music does not pump between words.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.midi.synthesis import SAMPLE_RATE
from video2music.mixing import limiter
from video2music.mixing.limiter import raised_cosine
from video2music.mixing.loudness import SPAN, SPANS_PER_STEP, Curve, Profile, integrated
from video2music.mixing.speech import SpeechSegment

DUCKED_LU = 4.0
BESIDE_LU = 8.0
AMBIENCE_LU = 6.0
MAX_RAISE_DB = 6.0
HEADROOM_DB = 1.0  # between the peaks of the source and the ceiling
RELEASE_DB_PER_S = 240.0  # of the source's limiter: fast, which a voice alone bears, and which keeps its loudness
SILENCE_LUFS = -70.0  # stands for audio in which no block passes the gate
DEPTH_DB = 12.0
ATTACK_S = 0.25
HOLD_S = 0.3
RELEASE_S = 0.7
MIN_GAP_S = 1.5  # music that comes back for a shorter time disturbs more than music that stays down
_ROUNDS = 3  # more gain makes up for what limiting takes from a voice, and needs more limiting: this converges fast


@dataclass(frozen=True)
class SourceAudio:
    """Loudness and speech of a clip's own audio."""

    profile: Profile
    speech: list[SpeechSegment]

    @property
    def spoken(self) -> NDArray[np.bool_]:
        """(spans,) whether there is speech."""
        middles_s = (np.arange(len(self.profile.peaks)) + 0.5) * SPAN / SAMPLE_RATE
        marks = np.zeros(len(middles_s), bool)
        for start_s, end_s in self.speech:
            marks |= (middles_s >= start_s) & (middles_s < end_s)
        return marks

    def lufs(self, limiting_db: Curve | None = None) -> float:
        """Integrated loudness of the speech, or of all where there is none; after `limiting_db` (spans,), if given."""
        energy = self.profile.energy
        if limiting_db is not None:
            energy = energy * _power(limiting_db)
        spoken = self.spoken[::SPANS_PER_STEP]
        lufs = integrated(energy[spoken]) if spoken.any() else None
        lufs = integrated(energy) if lufs is None else lufs
        return SILENCE_LUFS if lufs is None else lufs


@dataclass(frozen=True)
class Balance:
    """Gains in dB of music and source before both are mastered together, and what varies in time, (spans,) in dB:
    the ducking of the music and the limiting of the source.
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
        """Linear gain (spans,) of the source."""
        return 10 ** ((self.source_db + self.limiting_db) / 20)

    @property
    def source_limited_db(self) -> float:
        """The largest reduction of the source's peaks, in dB."""
        return abs(float(self.limiting_db.min(initial=0.0)))

    def ducked_db(self, source: SourceAudio) -> float:
        """How much lower the music is during speech than in the gaps, in dB of power; 0 without speech."""
        spoken, power = source.spoken, 10 ** (self.ducking_db / 10)
        if not spoken.any():
            return 0.0
        gaps = 1.0 if spoken.all() else power[~spoken].mean()
        return 10 * float(np.log10(gaps / power[spoken].mean()))


def balance(music: Profile, source: SourceAudio, *, ducked: bool, lufs: float) -> Balance:
    """The balance of music and source, of equal length, in a mix of that loudness; see the module."""
    ducking_db = ducking_curve(source.speech, len(music.peaks)) if ducked else np.zeros_like(music.peaks)
    # The source's gain depends on what limiting takes from it, and the limiting on the gain: hence rounds.
    found = Balance(0.0, 0.0, ducking_db, np.zeros_like(music.peaks))
    for _ in range(_ROUNDS):
        music_db, source_db = _gains(music, source, found, ducked, lufs)
        # Music and source are not correlated, so their powers add up.
        music_energy = music.energy * _power(ducking_db) * 10 ** (music_db / 10)
        energy = music_energy + source.profile.energy * 10 ** (source_db / 10)
        together = Profile(energy, source.profile.peaks * 10 ** (source_db / 20), source.profile.frames)
        mastered_db = limiter.gain_for(together, lufs, release_db_per_s=RELEASE_DB_PER_S).fixed_db
        over_db = source_db + mastered_db + HEADROOM_DB
        limiting_db = limiter.limiting(source.profile.peaks, over_db, release_db_per_s=RELEASE_DB_PER_S)
        found = Balance(music_db, source_db, ducking_db, limiting_db)
    return found


def _gains(music: Profile, source: SourceAudio, so_far: Balance, ducked: bool, lufs: float) -> tuple[float, float]:
    """Of music and source, in dB."""
    level = lufs if music.lufs is None else music.lufs
    if source.speech:
        return source.lufs(so_far.limiting_db) - (DUCKED_LU if ducked else BESIDE_LU) - level, 0.0
    return lufs - level, min(lufs - AMBIENCE_LU - source.lufs(), MAX_RAISE_DB)


def _power(gain_db: Curve) -> Curve:
    """Mean power (steps,) of a gain (spans,) in dB."""
    return np.asarray((10 ** (gain_db / 10)).reshape(-1, SPANS_PER_STEP).mean(axis=1), float)


def ducking_curve(speech: Iterable[SpeechSegment], spans: int, *, depth_db: float = DEPTH_DB) -> Curve:
    """Gain (spans,) in dB of music under speech, between -depth_db and 0, one a span of 3.3 ms."""
    middles_s = (np.arange(spans) + 0.5) * SPAN / SAMPLE_RATE
    gain_db = np.zeros(spans)
    for start_s, end_s in _without_short_gaps(speech):
        first, last = np.searchsorted(middles_s, [start_s - ATTACK_S, end_s + HOLD_S + RELEASE_S])
        near_s = middles_s[first:last]
        fall = raised_cosine((near_s - start_s + ATTACK_S) / ATTACK_S)
        rise = raised_cosine((end_s + HOLD_S + RELEASE_S - near_s) / RELEASE_S)
        gain_db[first:last] = np.minimum(gain_db[first:last], -depth_db * (fall * rise))
    return gain_db


def _without_short_gaps(speech: Iterable[SpeechSegment]) -> list[SpeechSegment]:
    joined: list[SpeechSegment] = []
    for segment in speech:
        if joined and segment.start_s - joined[-1].end_s < MIN_GAP_S:
            joined[-1] = SpeechSegment(joined[-1].start_s, max(joined[-1].end_s, segment.end_s))
        else:
            joined.append(segment)
    return joined
