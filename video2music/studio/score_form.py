"""The values of the page's form for one run, checked and made into Options."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.affect import VA_ANCHORS
from emotion.files import atomic_write, failure
from video2music import styles
from video2music.chords import ROOTS
from video2music.composing.target import CURVE_COLUMNS
from video2music.errors import MediaError, OptionError
from video2music.options import Options, read_tempo
from video2music.values import MODES, Key

DEFAULT = Options()
PICTURE, POINT, CURVE = "picture", "point", "curve"
EMOTION_CHOICES = (PICTURE, *VA_ANCHORS, POINT, CURVE)
ANY_KEY = "any"
# The page is shared: what one visitor asks for keeps the others waiting, so it offers less than the command does.
MOST_VARIANTS, MOST_CANDIDATES = 4, 16
LONGEST_PRIMER, LONGEST_CURVE = 400, 100_000  # characters
CURVE_FILE = "curve.csv"


@dataclass(frozen=True)
class ScoreForm:
    """Each value as a widget gives it; those of Options mean the same there.

    emotion   one of EMOTION_CHOICES; a point is at `valence` and `arousal`, and `curve` holds lines of
              t_s,valence,arousal
    key       ANY_KEY leaves it to the target and the seed
    tempo     `90` or `80-110`; empty leaves it to the style
    """

    emotion: str = PICTURE
    valence: float = 0.0
    arousal: float = 0.0
    curve: str = ""
    strength: float = DEFAULT.strength
    style: str = DEFAULT.style
    key: str = ANY_KEY
    primer: str = ""
    tempo: str = ""
    source: str = DEFAULT.source
    seed: float | None = DEFAULT.seed
    variants: float = DEFAULT.variants
    candidates: float = DEFAULT.candidates
    encoder: str = DEFAULT.encoder
    stems: bool = True

    def options(self, folder: Path) -> Options:
        """The options of a run whose own folder is `folder`; a drawn curve is written there.

        Raises OptionError, KeyNameError, ChordError, and MediaError where the curve cannot be written.
        """
        self._check()
        return Options(
            **self._target(folder),
            strength=self.strength,
            style=self.style,
            key=None if self.key == ANY_KEY else self.key,
            primer=(self.primer or "").strip() or None,
            tempo=read_tempo(self.tempo.strip()) if (self.tempo or "").strip() else None,
            source=self.source,
            seed=whole_number("the seed", self.seed or 0),
            variants=whole_number("variants", self.variants),
            candidates=whole_number("candidates", self.candidates),
            encoder=self.encoder,
            stems=self.stems,
        )

    def _check(self) -> None:
        """Raise OptionError for what the page does not offer, though Options would allow it."""
        if self.emotion not in EMOTION_CHOICES:
            raise OptionError(f"unknown emotion {self.emotion!r}: choose one of {', '.join(EMOTION_CHOICES)}")
        if self.style not in styles.names():  # a path would be opened
            raise OptionError(f"no style {self.style!r}: choose one of {', '.join(styles.names())}")
        if len(self.primer or "") > LONGEST_PRIMER:
            raise OptionError(f"the first chords have {len(self.primer)} letters: {LONGEST_PRIMER} are the most")
        for name, most in (("variants", MOST_VARIANTS), ("candidates", MOST_CANDIDATES)):
            if (getattr(self, name) or 0) > most:
                raise OptionError(
                    f"{getattr(self, name):g} {name} are more than this page makes: ask for {most} or fewer"
                )

    def _target(self, folder: Path) -> dict[str, Any]:
        """The options for the target emotion."""
        if self.emotion == POINT:
            return {"valence": self.valence, "arousal": self.arousal}
        if self.emotion == CURVE:
            return {"curve": str(_write_curve(self.curve or "", folder / CURVE_FILE))}
        return {} if self.emotion == PICTURE else {"emotion": self.emotion}


def key_names() -> tuple[str, ...]:
    """The names of all keys, major ones first."""
    return tuple(str(Key(tonic, mode)) for mode in MODES for tonic in range(len(ROOTS)))


def whole_number(what: str, number: float | None) -> int:
    """A number as a widget gives it, None where it is empty. Raises OptionError."""
    if number is None or not math.isfinite(number) or number != int(number):
        raise OptionError(f"{what} must be a whole number, but is {number}")
    return int(number)


def _write_curve(text: str, path: Path) -> Path:
    """The curve as a CSV file with its head. Raises OptionError for an empty one, MediaError for a full disk."""
    head, body = ",".join(CURVE_COLUMNS), text.strip()
    if not body:
        raise OptionError("the curve is empty: drag its points, or write a line such as 0,0.5,-0.2 for each")
    if len(body) > LONGEST_CURVE:
        raise OptionError(f"the curve has {len(body)} letters: {LONGEST_CURVE} are the most")
    lines = body if body.startswith(CURVE_COLUMNS[0]) else f"{head}\n{body}"
    try:
        with atomic_write(path) as partial:
            partial.write_text(f"{lines}\n", encoding="utf-8")
    except OSError as error:
        raise MediaError(failure(error, path, called="the curve")) from None
    return path
