"""All that the page says: labels of widgets and choices, headings, sentences, and numbers in plain words.

What an option is called and what it means come from its record in `video2music.options`; see `studio.page.widgets`.
"""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import NamedTuple

from emotion.affect import EMOTIONS, UNDECIDED
from emotion.svg import exact
from video2music import styles
from video2music.composing import chart
from video2music.options import SOURCES
from video2music.studio.score_form import ANY_KEY, CURVE, PICTURE, POINT, key_names
from video2music.studio.session import WHOLE_PIECE, SessionPiece


class Stage(NamedTuple):
    """What a stage is called, and about how many hundredths of the time a short clip takes in it."""

    name: str
    share: float


TITLE = "Video2Music"
WELCOME = """# Video2Music
Upload a clip and get it back with music that follows its cuts, its motion and its mood."""
JUDGE_INTRO = "Upload any sound or MIDI file: a model trained on people's ratings predicts the emotion it expresses."
BATCH_INTRO = "Upload several clips: each is scored with the same options, and all come back in one ZIP."
EMOTION_LABELS = (
    ("same as the picture", PICTURE),
    *((name, name) for name in EMOTIONS),
    ("pleasant and excited (Q1)", "q1"),
    ("unpleasant and excited (Q2)", "q2"),
    ("unpleasant and calm (Q3)", "q3"),
    ("pleasant and calm (Q4)", "q4"),
    ("a point: valence and arousal", POINT),
    ("a curve over time, drawn by hand", CURVE),
)
SOURCE_LABELS = MappingProxyType({
    "duck": "keep it, and lower the music during speech",
    "keep": "keep it, with the music underneath",
    "replace": "remove it",
})  # fmt: skip
STYLE_LABELS = MappingProxyType({
    "acoustic": "acoustic · guitars and strings",
    "ambient": "ambient · wide, slow pads",
    "corporate": "corporate · bright and busy",
    "lofi": "lo-fi · soft beats, warm keys",
    "piano": "piano · solo grand piano",
    "pop": "pop · a band with drums",
    "strings": "strings · a string orchestra",
    "tension": "tension · a pulse over low drones",
})  # fmt: skip
# The help of these two options is about files and folders, which the page has none of.
STYLE_INFO = "The instruments and what they play."
VARIANTS_INFO = "Different pieces for the same clip."
STAGES = MappingProxyType({
    "extract": Stage("Analysing the clip", 10),
    "form": Stage("Fitting bars to the cuts", 1),
    "chords": Stage("Composing chords", 10),
    "dynamics": Stage("Shaping the dynamics", 5),
    "search": Stage("Comparing candidates", 12),
    "arrange": Stage("Arranging", 3),
    "render": Stage("Rendering the instruments", 25),
    "mux": Stage("Mixing and writing the video", 12),
    "judge": Stage("Predicting the emotion of the result", 22),
})  # fmt: skip
LOCKS = (("chords and key", "chords"), ("bars and tempo", "form"))
DOWNLOADS = MappingProxyType({
    "video": "Video",
    "music": "Music (WAV)",
    "midi": "MIDI",
    "chart": "Chord chart (.txt)",
    "sheet": "Lead sheet (MusicXML)",
    "chords": "Chords (.lab)",
    "stems": "Stems (ZIP)",
    "manifest": "Manifest (.json)",
})  # fmt: skip
BATCH_DOWNLOADS = MappingProxyType({"csv": "Summary (CSV)", "html": "Summary (HTML)", "zip": "All files (ZIP)"})
NO_CLIP = "There is no clip yet: upload one first, or use the demo clip."
NO_MUSIC = "There is no music yet: upload a sound or MIDI file first."
NO_PREDICTION = "<p>No prediction yet.</p>"
VIEWS = MappingProxyType({
    "compared": "", "match": "Predicted emotion", "chart": "Form and chords", "notes": "Piano roll",
})  # fmt: skip
IDLE, BATCH_IDLE = "Nothing composed yet.", "Nothing scored yet."
WORKING = ""  # the progress bar says what is done meanwhile
FAILED = "Nothing new was composed; earlier results are kept."
STOPPED_BATCH = "Cancelled. Unfinished clips were discarded."
MOST_SECTIONS = 200  # that can be redrawn; ten minutes, the longest clip, have fewer
BATCH_COLUMNS = ("Clip", "Status", "Predicted emotion", "Length", "Time taken", "Notes")


def emotion_words(valence: float, arousal: float) -> str:
    """A point of the valence-arousal plane in words; near an axis nothing is said of that axis."""
    parts = []
    for value, positive, negative in ((valence, "pleasant", "unpleasant"), (arousal, "excited", "calm")):
        if abs(value) >= UNDECIDED:
            parts.append(positive if value > 0 else negative)
    return " and ".join(parts) or "neutral"


def counted(number: int, what: str) -> str:
    """So many things, in words that agree: no cuts, 1 cut, 2 cuts."""
    return f"{number or 'no'} {what}{'s' * (number != 1)}"


def percent(share: float) -> str:
    """A share of 1 in whole percent."""
    return f"{100 * share:.0f} %"


def result_sentence(piece: SessionPiece, dropped: Sequence[SessionPiece] = ()) -> str:
    """A line on a new piece, and on older ones that were `dropped` for it."""
    composition, result = piece.replay.composition, piece.result
    line = (
        f"{variant_name(piece)}: {result.duration_s:.0f} s of music in {composition.key}, "
        f"{composition.form.tempi[0].bpm:.0f} beats per minute, made in {sum(result.seconds.values()):.0f} s."
    )
    return " ".join([line, *(f"Variant {one.number} was removed to make room." for one in dropped)])


def variant_name(piece: SessionPiece) -> str:
    """What a piece is called, with where it came from."""
    return f"Variant {piece.number}" + (f", {piece.origin}" if piece.origin else "")


def variant_choices(pieces: Sequence[SessionPiece], best: int | None) -> list[tuple[str, int]]:
    """What pieces are called, with their numbers; of several the one whose place is `best` is marked."""
    marked = len(pieces) > 1
    return [
        (variant_name(piece) + " · best match" * (marked and place == best), piece.number)
        for place, piece in enumerate(pieces)
    ]


def origin(piece: SessionPiece, section: int, locks: Iterable[str]) -> str:
    """Where a redrawn piece comes from: one section of another is new, or all but what was kept."""
    if section != WHOLE_PIECE:
        return f"section {chart.letter(section - 1)} of {piece.number} redrawn"
    kept = " and ".join(words for words, lock in LOCKS if lock in locks)
    return f"{piece.number} redrawn" + (f", same {kept}" if kept else "")


def redraw_choices(spans_s: Sequence[tuple[float, float]] | None = None) -> list[tuple[str, int]]:
    """What of a piece can be redrawn, given the spans of its sections; without them as many as a piece may have."""
    names = [f"section {chart.letter(place)}" for place in range(MOST_SECTIONS)]
    if spans_s is not None:
        spans = (f"{exact(start_s)} to {exact(end_s)}" for start_s, end_s in spans_s)
        names = [f"{name}, {span}" for name, span in zip(names, spans, strict=False)]
    return [("the whole piece", WHOLE_PIECE), *((name, number) for number, name in enumerate(names, start=1))]


def style_choices() -> list[tuple[str, str]]:
    """The styles that come with the program."""
    return [(STYLE_LABELS.get(name, name), name) for name in styles.names()]


def key_choices() -> list[tuple[str, str]]:
    """All keys, and the choice to leave it open."""
    return [("automatic", ANY_KEY), *((key, key) for key in key_names())]


def source_choices() -> list[tuple[str, str]]:
    """What may be done with a clip's own sound; the default first."""
    return [(SOURCE_LABELS[name], name) for name in reversed(SOURCES)]


def encoder_choices() -> list[tuple[str, str]]:
    """The encoders whose weights are on this machine, best first, behind the choice to take the best."""
    from video2music.features.encoders import AUTO, ENCODERS

    here = [(f"{name} · {spec.label}", name) for name, spec in ENCODERS.items() if spec.is_available()]
    return [("automatic: the best on this machine", AUTO), *here]


def judge_choices() -> list[tuple[str, str]]:
    """The judges, the one for any music first."""
    from emotion.judge import DEFAULT_JUDGE, JUDGES

    first = sorted(JUDGES.items(), key=lambda item: item[0] != DEFAULT_JUDGE)
    return [(spec.label, name) for name, spec in first]
