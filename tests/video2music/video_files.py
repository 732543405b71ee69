"""Small video files for tests: any codec, container, clock or rotation, drawn with numpy."""

import hashlib
import wave
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (64, 48)
EVEN_MS = tuple(range(0, 1000, 40))


def brightness(index: int) -> int:
    """How bright the picture with this index is: neighbours differ by 5."""
    return 20 + 5 * (index % 43)


def film(
    path: Path,
    codec: str = "mpeg4",
    *,
    muxer: str | None = None,
    times_ms: Sequence[int] = EVEN_MS,
    size: tuple[int, int] = SIZE,
    pixels: str = "yuv420p",
    rotation: int = 0,
    aspect: Fraction | None = None,
    tag: str | None = None,
    colour: tuple[int, int] | None = None,
    options: dict[str, str] | None = None,
    texts: dict[str, str] | None = None,
    chapters: Sequence[tuple[int, int, str]] = (),
) -> Path:
    """Write a video with a frame of one grey at each of times_ms; players rotate it clockwise by `rotation`."""
    with av.open(f"file:{path.absolute()}", "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=25, width=size[0], height=size[1], pix_fmt=pixels, options=options)
        base = stream.codec_context.time_base = Fraction(1, 25 if all(time % 40 == 0 for time in times_ms) else 1000)
        stream.metadata.update({"language": "deu"})
        container.metadata.update(texts or {})
        if rotation:
            stream.set_display_rotation(-rotation)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if tag:
            stream.codec_context.codec_tag = tag
        if colour:
            stream.codec_context.colorspace, stream.codec_context.color_primaries = colour
        container.set_chapters([_chapter(number, *chapter) for number, chapter in enumerate(chapters)])
        for index, time_ms in enumerate(times_ms):
            grey = np.full((size[1], size[0], 3), brightness(index), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, "rgb24").reformat(format=pixels)
            frame.time_base, frame.pts = base, round(Fraction(time_ms, 1000) / base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _chapter(number: int, start_ms: int, end_ms: int, title: str) -> dict[str, object]:
    return {
        "id": number,
        "start": start_ms,
        "end": end_ms,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }


def subtitled(path: Path, picture: Path, lines: Sequence[tuple[int, int, str]]) -> Path:
    """A Matroska file with the video of another and subtitles (from, to in milliseconds, text)."""
    srt = path.with_suffix(".srt")
    entries = [
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{text}\n" for number, (start, end, text) in enumerate(lines)
    ]
    srt.write_text("\n".join(entries))
    with (
        av.open(str(picture)) as film,
        av.open(str(srt)) as words,
        av.open(str(path), "w", format="matroska") as result,
    ):
        copies = {film: result.add_stream_from_template(film.streams.video[0], opaque=True)}
        copies[words] = result.add_stream_from_template(words.streams.subtitles[0], opaque=True)
        for source, copy in copies.items():
            for packet in source.demux():
                if packet.size:
                    packet.stream = copy
                    result.mux(packet)
    return path


def _clock(time_ms: int) -> str:
    return f"00:00:{time_ms // 1000:02d},{time_ms % 1000:03d}"


def clicks(path: Path, seconds: float, *, rate: int = 44_100, channels: int = 2) -> Path:
    """A 16-bit WAV of silence with a loud millisecond at its beginning and one that is over 5 ms before its end."""
    samples = np.zeros((round(seconds * rate), channels), "<i2")
    samples[: rate // 1000] = samples[-6 * rate // 1000 : -5 * rate // 1000] = 30_000
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(samples.tobytes())
    return path


def packet_hashes(path: Path) -> list[str]:
    """A hash of each picture packet's bytes, in order."""
    with av.open(f"file:{path.absolute()}") as container:
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(video=0) if packet.size]


def picture_times(path: Path) -> list[float]:
    """When each picture is shown, on the file's own clock, by PyAV's plain decoding."""
    times = []
    with av.open(f"file:{path.absolute()}") as container:
        for packet in container.demux(video=0):
            with suppress(av.error.InvalidDataError):
                times += [float(frame.time) for frame in packet.decode()]
    return times


def sound(path: Path) -> tuple[float, np.ndarray, int]:
    """Start in seconds, left channel as floats and rate of a file's sound, as PyAV decodes it, edit list applied."""
    with av.open(f"file:{path.absolute()}") as container:
        frames = list(container.decode(audio=0))
        shape = av.AudioResampler("fltp", "stereo", frames[0].sample_rate)
        left = [part.to_ndarray()[0] for frame in [*frames, None] for part in shape.resample(frame)]
        return float(frames[0].time), np.concatenate(left), frames[0].sample_rate
