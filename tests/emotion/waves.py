"""Small sound files for tests, written byte by byte or by PyAV."""

import struct
import wave
from pathlib import Path

import av
import numpy as np


def sine(seconds: float, rate: int, hz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def wav(path: Path, samples: np.ndarray, rate: int = 44_100, *, width: int = 2) -> Path:
    """Samples (n,) or (n, channels) between -1 and 1 as whole numbers of `width` bytes."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        whole = (samples * 127 + 128).astype("u1") if width == 1 else (samples * 32_767).astype("<i2")
        file.writeframes(whole.tobytes())
    return path


def float_wav(path: Path, samples: np.ndarray, rate: int = 44_100) -> Path:
    """Mono samples as 32-bit floats, whatever they are."""
    data = samples.astype("<f4").tobytes()
    kind = struct.pack("<IHHIIHH", 16, 3, 1, rate, 4 * rate, 4, 32)
    size = struct.pack("<I", 36 + len(data))
    path.write_bytes(b"RIFF" + size + b"WAVEfmt " + kind + b"data" + struct.pack("<I", len(data)) + data)
    return path


def encoded(path: Path, samples: np.ndarray, codec: str, rate: int = 44_100) -> Path:
    """Mono samples through an encoder; the name's ending chooses the container."""
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        pieces = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = rate
        pieces.write(frame)
        while (piece := pieces.read(stream.codec_context.frame_size or 1024, True)) is not None:
            piece.pts = None
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def slaney_filters(window: int, bands: int, highest_hz: float, rate: int) -> np.ndarray:
    """(bands, window // 2 + 1): triangles of area 1, even in Hz up to 1 kHz and in octaves above (Slaney, 1998)."""
    ratio = 6.4 ** (1 / 27)
    top = highest_hz / (200 / 3) if highest_hz < 1000 else 15 + np.log(highest_hz / 1000) / np.log(ratio)
    mels = np.linspace(0, top, bands + 2)
    corners = [mel * 200 / 3 if mel < 15 else 1000 * ratio ** (mel - 15) for mel in mels]
    hertz = np.arange(window // 2 + 1) * rate / window
    rows = zip(corners, corners[1:], corners[2:], strict=False)
    return np.stack([np.interp(hertz, three, (0, 2 / (three[2] - three[0]), 0)) for three in rows])
