"""What music feels like: valence, arousal and quadrant of sound, video and MIDI files. Knows nothing of video2music.

    import emotion
    report = emotion.predict("song.mp3")               # an EmotionReport: report.whole.valence, report.windows
    found = emotion.compare(report, curve)             # an Alignment with an AffectCurve: found.valence, found.match

torch, numpy and the models are imported when one of these functions is called, not by `import emotion`.
"""

from importlib import import_module
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.alignment import Alignment
    from emotion.errors import UserError
    from emotion.judge import DEFAULT_JUDGE, JUDGES, Judge
    from emotion.values import AffectCurve, EmotionReport, Match, Prediction

__all__ = [
    "DEFAULT_JUDGE",
    "JUDGES",
    "AffectCurve",
    "Alignment",
    "EmotionReport",
    "Judge",
    "Match",
    "Prediction",
    "UserError",
    "compare",
    "load_judge",
    "predict",
]
__version__ = "0.1.0"

_HOMES = MappingProxyType({
    "DEFAULT_JUDGE": "emotion.judge",
    "JUDGES": "emotion.judge",
    "AffectCurve": "emotion.values",
    "Alignment": "emotion.alignment",
    "EmotionReport": "emotion.values",
    "Judge": "emotion.judge",
    "Match": "emotion.values",
    "Prediction": "emotion.values",
    "UserError": "emotion.errors",
})  # fmt: skip


def load_judge(name: str | None = None, *, device: str | None = None) -> "Judge":
    """The judge of a name in JUDGES, DEFAULT_JUDGE without one; loaded once a process.

    `device` is auto, cpu, cuda or mps; without it that of V2M_DEVICE. Raises CheckpointError, and UserError for a
    device that is not there.
    """
    from emotion import judge

    return judge.load(name or judge.DEFAULT_JUDGE, device=device)


def predict(
    path: str | PathLike[str],
    *,
    midi: str | PathLike[str] | None = None,
    judge: "str | Judge | None" = None,
    device: str | None = None,
) -> "EmotionReport":
    """Valence and arousal in [-1, 1] and the quadrants' probabilities of a file, as a whole and by windows of 8 s.

    path    sound or video, or a MIDI file (.mid, .midi)
    midi    the MIDI of the same piece, where `path` is its sound
    judge   a name in JUDGES or a loaded Judge, which is quicker for many files

    Raises SoundError for a file that cannot be read, or that the judge cannot use; and what load_judge raises.
    """
    from emotion.errors import SoundError
    from emotion.files import is_midi

    music = Path(path)
    if midi is not None and is_midi(music):
        raise SoundError(f"midi={str(midi)!r} belongs to a sound file, but {music} is MIDI itself: give one of them")
    loaded = load_judge(judge, device=device) if judge is None or isinstance(judge, str) else judge
    if is_midi(music):
        return loaded.predict(midi=music)
    return loaded.predict(music, Path(midi) if midi is not None else None)


def compare(music: "EmotionReport | str | PathLike[str]", target: "AffectCurve") -> "Alignment":
    """How well music agrees with a target curve, one row a second: its errors, lag, and `match` with a score 0..1.

    `music` is a report, or a file that DEFAULT_JUDGE reports on. Raises what `predict` raises.
    """
    from emotion.alignment import align

    return align(predict(music) if isinstance(music, str | PathLike) else music, target)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
