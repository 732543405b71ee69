"""The door to espeak-ng, a program that speaks: sentences as sound, for clips whose words are known to the second."""

import shutil
import subprocess
import tempfile
import wave
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError

PROGRAM = "espeak-ng"
LONGEST_S = 60.0  # that one sentence may take to be spoken


@cache
def program() -> str | None:
    """Where the program lies, None where it is not installed."""
    return shutil.which(PROGRAM)


def speak(sentence: str, *, voice: str = "en", words_per_minute: int = 150) -> tuple[NDArray[np.floating], int]:
    """A spoken sentence, (frames,) within 1, and its rate in Hz. Raises DataError."""
    found = program()
    if found is None:
        raise DataError(f"{PROGRAM} is not installed: install it to measure the music under speech")
    with tempfile.TemporaryDirectory(prefix="speech-") as folder:
        path = Path(folder, "said.wav")
        command = [found, "-v", voice, "-s", str(words_per_minute), "-w", str(path), "--", sentence]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=LONGEST_S)
            with wave.open(str(path)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
                return samples / 32768, file.getframerate()
        except (OSError, EOFError, subprocess.SubprocessError, wave.Error) as error:
            raise DataError(f"{PROGRAM} could not speak ({error}): install it anew") from None
