"""Which pitch class a frequency belongs to: the filters that turn a spectrum into a chroma vector.

As D. Ellis, "Chroma feature analysis and synthesis" (2007) makes them and librosa took them over, in numpy alone:
whoever calls librosa for them waits, the first time, for what it compiles.
"""

import numpy as np
from numpy.typing import NDArray

LOWEST_A_HZ = 27.5


def filters(
    window: int, rate_hz: float, *, classes: int, tuning: float, middle: float, wide: float, norm: int
) -> NDArray[np.float64]:
    """(classes, window // 2 + 1), from C on: what each bin of a transform of `window` samples gives to each class.

    A class is a bump around its pitches in every octave; before the octaves are weighed, a bin's classes have a `norm`,
    the first or the second, of one. `classes` is 12 or a multiple. `tuning` is how many classes the pitches lie above
    those of A 440. What lies `middle` octaves above 27.5 Hz counts fully, what lies `wide` octaves from there 0.61.
    """
    hertz = np.arange(1, window // 2 + 1) * rate_hz / window
    steps = classes * np.log2(hertz / LOWEST_A_HZ) - tuning
    steps = np.concatenate([[steps[0] - 1.5 * classes], steps])  # 0 Hz has no pitch: it is put far from its neighbour
    width = np.maximum(np.diff(steps, append=steps[-1]), 1)
    apart = (steps - np.arange(classes)[:, None] + classes / 2) % classes - classes / 2
    bumps = np.exp(-0.5 * (2 * apart / width) ** 2)
    octaves = np.exp(-0.5 * ((steps / classes - middle) / wide) ** 2)
    return np.roll(bumps / np.linalg.norm(bumps, norm, axis=0) * octaves, -3 * classes // 12, axis=0)
