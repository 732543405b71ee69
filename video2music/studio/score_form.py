"""What a visitor wishes for, as the page's widgets tell it, made into Options."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.affect import PLACES
from emotion.files import failure, whole_file
from video2music import styles
from video2music.chords import ROOTS
from video2music.composing.target import CURVE_COLUMNS
from video2music.errors import MediaError, OptionError
from video2music.options import Options, read_tempo
from video2music.values import MODES, Key

DEFAULT = Options()
PICTURE, POINT, CURVE = "picture", "point", "curve"
FEELINGS = (PICTURE, *PLACES, POINT, CURVE)
ANY_KEY = "any"
MOST_VARIANTS, MOST_CANDIDATES = 4, 16
LONGEST_PRIMER, LONGEST_CURVE = 400, 100_000  # letters
CURVE_FILE = "curve.csv"


@dataclass(frozen=True)
class Wishes:
    """Each wish as a widget gives it; those of Options mean the same there.

    feeling   one of FEELINGS; a point is at `valence` and `arousal`, and `curve` holds lines of t_s,valence,arousal
    key       ANY_KEY leaves it to mood and seed
    tempo     `90` or `80-110`; empty leaves it to the style
    """

    feeling: str = PICTURE
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
        self._refuse()
        return Options(
            **self._feeling(folder),
            strength=self.strength,
            style=self.style,
            key=None if self.key == ANY_KEY else self.key,
            primer=(self.primer or "").strip() or None,
            tempo=read_tempo(self.tempo.strip()) if (self.tempo or "").strip() else None,
            source=self.source,
            seed=whole("the seed", self.seed or 0),
            variants=whole("variants", self.variants),
            candidates=whole("candidates", self.candidates),
            encoder=self.encoder,
            stems=self.stems,
        )

    def _refuse(self) -> None:
        """Raise OptionError for what a page offers less of than a command does."""
        if self.feeling not in FEELINGS:
            raise OptionError(f"unknown feeling {self.feeling!r}: choose one of {', '.join(FEELINGS)}")
        if self.style not in styles.names():  # a path would be opened
            raise OptionError(f"no style {self.style!r}: choose one of {', '.join(styles.names())}")
        if len(self.primer or "") > LONGEST_PRIMER:
            raise OptionError(f"the first chords have {len(self.primer)} letters: {LONGEST_PRIMER} are the most")
        for name, most in (("variants", MOST_VARIANTS), ("candidates", MOST_CANDIDATES)):
            if (getattr(self, name) or 0) > most:
                raise OptionError(
                    f"{getattr(self, name):g} {name} are more than this page makes: ask for {most} or fewer"
                )

    def _feeling(self, folder: Path) -> dict[str, Any]:
        """The options that say what to aim at."""
        if self.feeling == POINT:
            return {"valence": self.valence, "arousal": self.arousal}
        if self.feeling == CURVE:
            return {"curve": str(_written(self.curve or "", folder / CURVE_FILE))}
        return {} if self.feeling == PICTURE else {"emotion": self.feeling}


def key_names() -> tuple[str, ...]:
    """The names of all keys, major ones first."""
    return tuple(str(Key(tonic, mode)) for mode in MODES for tonic in range(len(ROOTS)))


def encoders_here() -> tuple[str, ...]:
    """Encoders whose weights are on this machine, best first."""
    from video2music.features import encoders

    return tuple(name for name, spec in encoders.ENCODERS.items() if spec.is_available())


def whole(what: str, number: float | None) -> int:
    """A number as a widget gives it, None where it is empty. Raises OptionError."""
    if number is None or not math.isfinite(number) or number != int(number):
        raise OptionError(f"{what} must be a whole number, but is {number}")
    return int(number)


def _written(text: str, path: Path) -> Path:
    """The curve as a CSV file with its head. Raises OptionError for an empty one, MediaError for a full disk."""
    head, body = ",".join(CURVE_COLUMNS), text.strip()
    if not body:
        raise OptionError("the curve is empty: drag its points, or write a line such as 0,0.5,-0.2 for each")
    if len(body) > LONGEST_CURVE:
        raise OptionError(f"the curve has {len(body)} letters: {LONGEST_CURVE} are the most")
    lines = body if body.startswith(CURVE_COLUMNS[0]) else f"{head}\n{body}"
    try:
        with whole_file(path) as partial:
            partial.write_text(f"{lines}\n", encoding="utf-8")
    except OSError as error:
        raise MediaError(failure(error, path, called="the curve")) from None
    return path
