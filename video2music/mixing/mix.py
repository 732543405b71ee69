"""Mixing: stems and a clip's own audio become finished WAVs, the music alone and the mix for under the picture.

Both are at -14 LUFS (ITU-R BS.1770) under a true peak of -1 dBTP, begin and end without a click and are exact in
length. Intermediate audio is kept in files beside the result, so that no more than a block of a second is in memory; of
a whole piece only its profile is, 300 numbers a second. `mixing.balance` sets the levels of music and source.
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

from emotion.files import PARTIAL, failure
from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.errors import MediaError, OptionError
from video2music.media import encode
from video2music.media.clip import atomic_write
from video2music.media.soundtrack import Soundtrack
from video2music.mixing import limiter, speech
from video2music.mixing.balance import Balance, SourceAudio, balance
from video2music.mixing.loudness import GATE_STEPS, Meter, Profile, measured
from video2music.options import SOURCES

log = logging.getLogger(__name__)

LOUDNESS_LUFS = -14.0
NOTED_LIMITING_DB = 6.0  # stronger limiting is noted in the report

FADE_IN_S = 0.005
FADE_OUT_S = 0.5
SOURCE_FADE_S = 0.05
END_SILENCE_S = 0.02  # at the end, so that a codec that cuts its last packet cuts nothing audible
_NEAR_LU = 0.5  # a larger deviation from the target loudness is noted
_LONGEST_NAME = 80  # characters of a stem's file
_FULL_SCALE = 32767
_FRAME_BYTES = 2 * 4  # stereo float32


@dataclass(frozen=True)
class Levels:
    """Levels of one finished WAV.

    lufs, true_peak_db   integrated loudness (None for silence) and highest true peak in dBTP, as measured in it
    gain_db, limited_db  the gain that led to them, and the limiter's largest reduction
    frames               its length
    note                 what is out of the ordinary, a sentence or nothing
    """

    lufs: float | None
    true_peak_db: float
    gain_db: float
    limited_db: float
    frames: int
    note: str = ""


@dataclass(frozen=True)
class MixReport:
    """Levels of the music alone and of the mix under the picture (the same if `mode` is "replace").

    mode         what was done, one of SOURCES: "replace" also where the clip has no audio to keep
    speech_s     seconds of speech found in the clip
    ducked_db    how much lower the music is during speech than in the gaps, in dB; 0 without ducking
    music_db     gain of the music relative to the source, before ducking
    source_lufs  integrated loudness of the clip's own audio, of the speech if there is some; None without any
    source_limited_db  the largest reduction of the source's peaks by its limiter, in dB
    """

    music: Levels
    under: Levels
    mode: str
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
    mode: str = "duck",
    under: Path | None = None,
    stems_folder: Path | None = None,
    loudness_lufs: float = LOUDNESS_LUFS,
) -> MixReport:
    """Mix stems, blocks (frames, 2) at 44.1 kHz, into a 16-bit WAV of round(duration_s * 44100) frames.

    With a `source` and the mode "duck" or "keep", `under` becomes the mix with it; it is not made if the report's mode
    is "replace". With a `stems_folder` (created if needed), `<name>.wav` of each stem and `source.wav` are written
    there as floats, at the gain of the master before its limiter, so that the stems add up to it; the source has its
    level of the mix. Stems of other lengths are cut or padded with silence.
    Raises OptionError, MediaError; exceptions of the stems pass through.
    """
    if mode not in SOURCES:
        raise OptionError(f"unknown way {mode!r} to treat the clip's own audio: choose one of {', '.join(SOURCES)}")
    frames = round(duration_s * SAMPLE_RATE)
    with _scratch_folder(out) as scratch:
        kept = {name: scratch / f"stem{number}" for number, name in enumerate(stems)} if stems_folder else {}
        faded = {name: _faded(_exactly(blocks, frames), frames, FADE_OUT_S) for name, blocks in stems.items()}
        tracks = [_copied(blocks, kept[name]) if name in kept else blocks for name, blocks in faded.items()]
        # Without stems there is still a file: silence.
        together = zip(*tracks or [_exactly([], frames)], strict=True)
        music = _recorded((np.sum(blocks, axis=0, dtype=np.float32) for blocks in together), scratch / "music")
        gain = limiter.gain_for(music.profile, loudness_lufs)
        alone = _finish(music, gain, out, loudness_lufs)
        report = MixReport(alone, alone, "replace")
        parts = [(name, path, gain.fixed_db) for name, path in kept.items()]
        found = _analysed(source, frames, scratch) if source and under and mode != "replace" else None
        if found and under:
            recording, audio = found
            balanced = balance(music.profile, audio, ducked=mode == "duck", lufs=loudness_lufs)
            balanced_music = limiter.applied(music.blocks(), balanced.music)
            balanced_source = limiter.applied(recording.blocks(), balanced.source)
            pairs = zip(balanced_music, balanced_source, strict=True)
            both = _recorded((np.add(*pair) for pair in pairs), scratch / "both")
            mixed = _finish(both, limiter.gain_for(both.profile, loudness_lufs), under, loudness_lufs)
            report = _report(alone, mixed, audio, balanced, mode)
            # Stems are at the gain of the music alone; the source keeps its distance to the music in the mix.
            parts.append(("source", recording.path, gain.fixed_db + balanced.source_db - balanced.music_db))
        if stems_folder:
            _write_stems(parts, stems_folder)
    return report


def master(blocks: Iterable[Samples], out: Path, *, duration_s: float, loudness_lufs: float = LOUDNESS_LUFS) -> Levels:
    """Finish one sound as `mix` finishes the music. Raises MediaError."""
    return mix({"music": blocks}, out, duration_s=duration_s, loudness_lufs=loudness_lufs).music


@contextmanager
def _scratch_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is deleted in the end. An error of the disk becomes a MediaError."""
    try:
        with tempfile.TemporaryDirectory(prefix=".", suffix=PARTIAL, dir=out.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise MediaError(failure(error, out, called=out.name)) from None


@dataclass(frozen=True)
class _Recording:
    """A sound in a file of raw floats, and its loudness over time."""

    path: Path
    profile: Profile

    def blocks(self) -> Iterator[Samples]:
        return _read_raw(self.path)


def _read_raw(path: Path) -> Iterator[Samples]:
    with path.open("rb") as file:
        while data := file.read(SAMPLE_RATE * _FRAME_BYTES):
            yield np.frombuffer(data, "<f4").reshape(-1, 2)


def _copied(blocks: Iterable[Samples], path: Path) -> Iterator[Samples]:
    """The blocks as they come, written to a file of raw floats on the way."""
    with path.open("wb") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<f4").data)
            yield block


def _recorded(blocks: Iterable[Samples], path: Path) -> _Recording:
    return _Recording(path, measured(_copied(blocks, path)))


def _finish(recording: _Recording, gain: limiter.Gain, out: Path, wanted_lufs: float) -> Levels:
    """Write a recording at its gain as a 16-bit WAV and measure the levels of that."""
    meter = Meter()
    with atomic_write(out) as partial, partial.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        for block in limiter.applied(recording.blocks(), gain.linear):
            whole = np.rint(np.clip(block * _FULL_SCALE, -_FULL_SCALE, _FULL_SCALE)).astype("<i2")
            wav.writeframes(whole.tobytes())
            meter.add(whole.astype(np.float32) / np.float32(_FULL_SCALE + 1))  # as players read it
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
    """A sentence on what is out of the ordinary about a finished sound; empty for most."""
    if not profile.peaks.any():
        return "silent: no stem has sound"
    if profile.lufs is None or abs(profile.lufs - wanted_lufs) > _NEAR_LU:
        found = "under -70" if profile.lufs is None else f"{profile.lufs:.1f}"
        return (
            f"{found} LUFS instead of {wanted_lufs:g}: louder would take a gain of over {limiter.MAX_GAIN_DB:g} dB "
            f"or limiting by over {limiter.MAX_LIMITING_DB:g} dB"
        )
    if len(profile.energy) < GATE_STEPS:
        return "shorter than the 400 ms over which loudness is measured: it was measured over the whole"
    if gain.limited_db > NOTED_LIMITING_DB:
        return f"the limiter reduced its peaks by up to {gain.limited_db:.1f} dB"
    return ""


def _analysed(source: Soundtrack, frames: int, scratch: Path) -> tuple[_Recording, SourceAudio] | None:
    """The clip's own audio cut to the length of its picture, and its loudness and speech; None where it is silent."""
    recording = _recorded(_faded(_exactly(source.blocks(), frames), frames, SOURCE_FADE_S), scratch / "source")
    lufs = recording.profile.lufs
    if lufs is None:
        log.warning("%s: its audio is silent, so the music replaces it", source.path)
        return None
    return recording, SourceAudio(recording.profile, speech.speech_segments(recording.blocks(), lufs=lufs))


def _report(alone: Levels, mixed: Levels, source: SourceAudio, balanced: Balance, mode: str) -> MixReport:
    return MixReport(
        alone,
        mixed,
        mode,
        speech_s=round(sum(segment.end_s - segment.start_s for segment in source.speech), 2),
        ducked_db=round(balanced.ducked_db(source), 2),
        music_db=round(balanced.music_db - balanced.source_db, 2),
        source_lufs=round(source.lufs(), 2),
        source_limited_db=round(balanced.source_limited_db, 2),
    )


def _write_stems(parts: Sequence[tuple[str, Path, float]], folder: Path) -> None:
    """Each part as `<name>.wav` of floats: its raw file times its gain in dB."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, path, gain_db) in zip(_file_names(name for name, *_ in parts), parts, strict=True):
        loudness = np.float32(10 ** (gain_db / 20))
        encode.write_float_wav((block * loudness for block in _read_raw(path)), folder / f"{name}.wav")


def _file_names(names: Iterable[str]) -> list[str]:
    """File names that are valid on any system and differ in more than case."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w +()-]", "_", name).strip()[:_LONGEST_NAME] or "part"
        numbered = (f"{plain} {number}" for number in count(2))
        taken = {one.casefold() for one in found}
        found.append(plain if plain.casefold() not in taken else next(n for n in numbered if n.casefold() not in taken))
    return found


def _exactly(blocks: Iterable[Samples], frames: int) -> Iterator[Samples]:
    """Blocks of a second (the last may be shorter), cut or padded with silence to `frames` frames in all."""
    coming = chain(blocks, repeat(np.zeros((SAMPLE_RATE, 2), np.float32)))
    held = np.zeros((0, 2), np.float32)
    for start in range(0, frames, SAMPLE_RATE):
        wanted = min(SAMPLE_RATE, frames - start)
        while len(held) < wanted:
            held = np.concatenate([held, next(coming)]) if len(held) else next(coming)
        yield held[:wanted]
        held = held[wanted:]  # what is left of the last block begins the next second


def _faded(blocks: Iterable[Samples], frames: int, fade_out_s: float) -> Iterator[Samples]:
    """Raised-cosine fades, FADE_IN_S in and fade_out_s (a quarter of the piece at most) out; then END_SILENCE_S."""
    rise = min(round(FADE_IN_S * SAMPLE_RATE), frames // 4)
    fall = min(round(fade_out_s * SAMPLE_RATE), frames // 4)
    end = frames - 1 - min(round(END_SILENCE_S * SAMPLE_RATE), fall // 4)
    start = 0
    for block in blocks:
        place = np.arange(start, start + len(block))
        start += len(block)
        if place[0] < rise or place[-1] >= end - max(fall, 1):
            inwards = np.clip((place + 1) / max(rise, 1), 0, 1)
            outwards = np.clip((end - place) / max(fall, 1), 0, 1)
            yield block * (limiter.raised_cosine(inwards) * limiter.raised_cosine(outwards))[:, None].astype(np.float32)
        else:
            yield block
