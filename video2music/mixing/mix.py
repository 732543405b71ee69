"""Stems and a clip's own sound become finished WAVs: the music alone, and what lies under the picture.

Both come out at -14 LUFS (ITU-R BS.1770) under a true peak of -1 dBTP, begin and end without a click and are exact in
length. Sound waits in files beside the result, so that no more than a block of a second is in memory; what is kept of
a whole piece is its profile, 300 numbers a second.
How loud music and own sound are beside each other is `video2music.mixing.balance`'s to say.
"""

import logging
import re
import tempfile
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.files import PARTIAL, failure
from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.errors import MediaError, OptionError
from video2music.media import audiofile
from video2music.media.clip import whole_file
from video2music.media.soundtrack import Soundtrack
from video2music.mixing import limiter, speech
from video2music.mixing.balance import Balance, Own, balance
from video2music.mixing.loudness import GATE_STEPS, Meter, Profile, measured
from video2music.options import SOURCES

log = logging.getLogger(__name__)

LOUDNESS_LUFS = -14.0
MUCH_LIMITED_DB = 6.0  # what is limited by more is told of

FADE_IN_S = 0.005
FADE_OUT_S = 0.5
SOURCE_FADE_S = 0.05
REST_S = 0.02  # at the end it is silent for this long, whatever a codec cuts
_NEAR_LU = 0.5  # a loudness that misses by more is told of
_LONGEST_NAME = 80  # characters of a stem's file
_FULL_SCALE = 32767
_FRAME_BYTES = 2 * 4  # stereo float32


@dataclass(frozen=True)
class Levels:
    """Of one finished WAV: integrated loudness (None for silence) and highest true peak in dBTP as they are now,
    the gain that led to them and the most that the limiter took in dB, the length in frames, and what there is to say.
    """

    lufs: float | None
    true_peak_db: float
    gain_db: float
    limited_db: float
    frames: int
    note: str = ""


@dataclass(frozen=True)
class MixReport:
    """The music alone, what lies under the picture (the same where `how` is "replace"), and how they came about.

    how          what was done: "replace" also where there was no own sound to keep
    speech_s     seconds of speech found in the clip
    ducked_db    how much lower the music is while speech sounds than in the gaps, in dB; 0 without ducking
    music_db     gain of the music against the clip's own sound, before ducking, where that has its own level
    source_lufs  integrated loudness of the clip's own sound, of the speech where there is some; None without any
    source_limited_db  the most that was taken from the peaks of the own sound, in dB
    """

    music: Levels
    under: Levels
    how: str
    speech_s: float = 0.0
    ducked_db: float = 0.0
    music_db: float = 0.0
    source_lufs: float | None = None
    source_limited_db: float = 0.0


def mix(
    stems: Mapping[str, Iterable[Samples]],
    out: Path,
    *,
    duration_s: float,
    source: Soundtrack | None = None,
    how: str = "duck",
    under: Path | None = None,
    stems_folder: Path | None = None,
    loudness_lufs: float = LOUDNESS_LUFS,
) -> MixReport:
    """Mix stems, blocks (frames, 2) at 44.1 kHz, into a 16-bit WAV of round(duration_s * 44100) frames.

    With a `source` that is to be kept or ducked under, `under` becomes the mix with it; it is not made where the report
    says that the music replaces it. With a `stems_folder` (made if need be), `<name>.wav` of each stem and `source.wav`
    are written there as floats, at the gain of the master before its limiter, so that the stems add up to it; the
    source stands beside them as in the mix. Stems of other lengths are cut or filled with silence.
    Raises OptionError, MediaError; what the stems raise passes through.
    """
    if how not in SOURCES:
        raise OptionError(f"unknown way {how!r} to treat the clip's own sound: choose one of {', '.join(SOURCES)}")
    frames = round(duration_s * SAMPLE_RATE)
    with _room(out) as room:
        kept = {name: room / f"stem{number}" for number, name in enumerate(stems)} if stems_folder else {}
        music = _recorded(_added(_prepared(stems, frames, kept), frames), room / "music")
        gain = limiter.gain_for(music.profile, loudness_lufs)
        alone = _finish(music, gain, out, loudness_lufs)
        report = MixReport(alone, alone, "replace")
        parts = [(name, path, gain.fixed_db) for name, path in kept.items()]
        found = _heard(source, frames, room) if source and under and how != "replace" else None
        if found and under:
            take, own = found
            balanced = balance(music.profile, own, ducked=how == "duck", lufs=loudness_lufs)
            both = _recorded(_blended(music, take, balanced), room / "both")
            below = _finish(both, limiter.gain_for(both.profile, loudness_lufs), under, loudness_lufs)
            report = _report(alone, below, own, balanced, how)
            parts.append(("source", take.path, gain.fixed_db + balanced.source_db - balanced.music_db))
        if stems_folder:
            _write_stems(parts, stems_folder)
    return report


def master(blocks: Iterable[Samples], out: Path, *, duration_s: float, loudness_lufs: float = LOUDNESS_LUFS) -> Levels:
    """One sound, finished as `mix` finishes music. Raises MediaError."""
    return mix({"music": blocks}, out, duration_s=duration_s, loudness_lufs=loudness_lufs).music


@contextmanager
def _room(out: Path) -> Iterator[Path]:
    """A folder beside `out` for what waits, gone in the end. An error of the disk becomes a MediaError."""
    try:
        with tempfile.TemporaryDirectory(prefix=".", suffix=PARTIAL, dir=out.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise MediaError(failure(error, out, called=out.name)) from None


@dataclass(frozen=True)
class _Take:
    """A sound that waits in a file, and how loud it is from moment to moment."""

    path: Path
    profile: Profile

    def blocks(self) -> Iterator[Samples]:
        return _waiting(self.path)


def _waiting(path: Path) -> Iterator[Samples]:
    with path.open("rb") as file:
        while data := file.read(SAMPLE_RATE * _FRAME_BYTES):
            yield np.frombuffer(data, "<f4").reshape(-1, 2)


def _copied(blocks: Iterable[Samples], path: Path) -> Iterator[Samples]:
    with path.open("wb") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<f4").data)
            yield block


def _recorded(blocks: Iterable[Samples], path: Path) -> _Take:
    return _Take(path, measured(_copied(blocks, path)))


def _prepared(stems: Mapping[str, Iterable[Samples]], frames: int, kept: Mapping[str, Path]) -> list[Iterable[Samples]]:
    """The stems, exact in length and faded, on their way written to where they are kept."""
    lanes = {name: _faded(_exactly(blocks, frames), frames, FADE_OUT_S) for name, blocks in stems.items()}
    return [_copied(blocks, kept[name]) if name in kept else blocks for name, blocks in lanes.items()]


def _added(lanes: list[Iterable[Samples]], frames: int) -> Iterator[Samples]:
    for blocks in zip(*lanes or [_exactly([], frames)], strict=True):
        yield np.sum(blocks, axis=0, dtype=np.float32)


def _finish(take: _Take, gain: limiter.Gain, out: Path, wanted_lufs: float) -> Levels:
    """Write a take at its gain as a 16-bit WAV and tell its levels as they are there."""
    meter = Meter()
    with whole_file(out) as partial, partial.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        for block in limiter.applied(take.blocks(), gain.linear):
            whole = np.rint(np.clip(block * _FULL_SCALE, -_FULL_SCALE, _FULL_SCALE)).astype("<i2")
            wav.writeframes(whole.tobytes())
            meter.take(whole.astype(np.float32) / np.float32(_FULL_SCALE + 1))  # as players read it
    profile = meter.profile()
    note = _note(profile, gain, wanted_lufs)
    if note:
        log.warning("%s: %s", out.name, note)
    return Levels(
        lufs=None if profile.lufs is None else round(profile.lufs, 2),
        true_peak_db=round(profile.peak_db, 2),
        gain_db=round(gain.fixed_db, 2),
        limited_db=round(gain.limited_db, 2),
        frames=profile.frames,
        note=note,
    )


def _note(profile: Profile, gain: limiter.Gain, wanted_lufs: float) -> str:
    """What is out of the ordinary about a finished sound, in a sentence; nothing for most."""
    if not profile.peaks.any():
        return "silent: there was nothing to play"
    if profile.lufs is None or abs(profile.lufs - wanted_lufs) > _NEAR_LU:
        found = "under -70" if profile.lufs is None else f"{profile.lufs:.1f}"
        return (
            f"{found} LUFS instead of {wanted_lufs:g}: louder would take a gain of over {limiter.MOST_GAIN_DB:g} dB "
            f"or limiting by over {limiter.MOST_LIMITED_DB:g} dB"
        )
    if len(profile.energy) < GATE_STEPS:
        return "shorter than the 400 ms that loudness is measured over: the whole was taken for them"
    if gain.limited_db > MUCH_LIMITED_DB:
        return f"the limiter took up to {gain.limited_db:.1f} dB from its peaks"
    return ""


def _heard(source: Soundtrack, frames: int, room: Path) -> tuple[_Take, Own] | None:
    """The clip's own sound as long as its picture, and what is in it; None where it is silent."""
    take = _recorded(_faded(_exactly(source.blocks(), frames), frames, SOURCE_FADE_S), room / "source")
    lufs = take.profile.lufs
    if lufs is None:
        log.warning("%s: its own sound is silent, so the music stands alone", source.path)
        return None
    return take, Own(take.profile, speech.stretches(take.blocks(), lufs=lufs))


def _blended(music: _Take, source: _Take, balanced: Balance) -> Iterator[Samples]:
    played = limiter.applied(music.blocks(), balanced.music)
    sounded = limiter.applied(source.blocks(), balanced.source)
    for pair in zip(played, sounded, strict=True):
        yield np.add(*pair)


def _report(alone: Levels, below: Levels, own: Own, balanced: Balance, how: str) -> MixReport:
    return MixReport(
        alone,
        below,
        how,
        speech_s=round(sum(stretch.end_s - stretch.start_s for stretch in own.speech), 2),
        ducked_db=round(balanced.ducked_db(own), 2),
        music_db=round(balanced.music_db - balanced.source_db, 2),
        source_lufs=round(own.lufs(), 2),
        source_limited_db=round(balanced.source_limited_db, 2),
    )


def _write_stems(parts: Sequence[tuple[str, Path, float]], folder: Path) -> None:
    """Each part by its name, read from where it waits and times its gain in dB, as a WAV of floats."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, path, gain_db) in zip(_file_names(name for name, *_ in parts), parts, strict=True):
        loudness = np.float32(10 ** (gain_db / 20))
        audiofile.write_floats((block * loudness for block in _waiting(path)), folder / f"{name}.wav")


def _file_names(names: Iterable[str]) -> list[str]:
    """Names that any system takes for files, none twice whatever the case."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w +()-]", "_", name).strip()[:_LONGEST_NAME] or "part"
        numbered = (f"{plain} {number}" for number in count(2))
        taken = {one.casefold() for one in found}
        found.append(plain if plain.casefold() not in taken else next(n for n in numbered if n.casefold() not in taken))
    return found


def _exactly(blocks: Iterable[Samples], frames: int) -> Iterator[Samples]:
    """Blocks of a second (the last may be shorter), cut or filled with silence to `frames` frames in all."""
    coming = chain(blocks, repeat(np.zeros((SAMPLE_RATE, 2), np.float32)))
    held = np.zeros((0, 2), np.float32)
    for start in range(0, frames, SAMPLE_RATE):
        wanted = min(SAMPLE_RATE, frames - start)
        while len(held) < wanted:
            held = np.concatenate([held, next(coming)]) if len(held) else next(coming)
        yield held[:wanted]
        held = held[wanted:]


def _faded(blocks: Iterable[Samples], frames: int, fade_out_s: float) -> Iterator[Samples]:
    """Raised-cosine fades: FADE_IN_S in, fade_out_s (a quarter of the piece at most) out, then REST_S of silence."""
    rise = min(round(FADE_IN_S * SAMPLE_RATE), frames // 4)
    fall = min(round(fade_out_s * SAMPLE_RATE), frames // 4)
    end = frames - 1 - min(round(REST_S * SAMPLE_RATE), fall // 4)
    start = 0
    for block in blocks:
        place = np.arange(start, start + len(block))
        start += len(block)
        if place[0] < rise or place[-1] >= end - max(fall, 1):
            inwards = np.clip((place + 1) / max(rise, 1), 0, 1)
            outwards = np.clip((end - place) / max(fall, 1), 0, 1)
            yield block * (_cosine(inwards) * _cosine(outwards))[:, None].astype(np.float32)
        else:
            yield block


def _cosine(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(np.pi * share)
