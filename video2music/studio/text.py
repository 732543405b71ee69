"""What the page says: names of what can be chosen, headings, sentences, and feelings and counts in plain words."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import NamedTuple

from emotion.affect import EMOTIONS, UNDECIDED
from emotion.svg import exact
from video2music import styles
from video2music.composing import chart
from video2music.options import SOURCES
from video2music.studio import wishes
from video2music.studio.session import EVERYTHING, Piece
from video2music.studio.wishes import ANY_KEY, CURVE, PICTURE, POINT


class Stage(NamedTuple):
    """What a stage is called, and about how many hundredths of the time a short clip takes in it."""

    name: str
    share: float


TITLE = "Video2Music"
WELCOME = """# Video2Music
Drop a clip: it is watched, scored with music that follows its cuts, its movement and its mood, and handed back."""
FEELINGS = (
    ("as the picture feels", PICTURE),
    *((name, name) for name in EMOTIONS),
    ("bright and lively (q1)", "q1"),
    ("dark and agitated (q2)", "q2"),
    ("dark and calm (q3)", "q3"),
    ("bright and calm (q4)", "q4"),
    ("a point on the plane", POINT),
    ("a curve that I draw", CURVE),
)
SOUNDS = MappingProxyType({
    "duck": "kept, and the music steps back while somebody speaks",
    "keep": "kept, with the music beside it",
    "replace": "left out",
})  # fmt: skip
STYLES = MappingProxyType({
    "acoustic": "acoustic · guitars and strings",
    "ambient": "ambient · wide, slow pads",
    "corporate": "corporate · bright and busy",
    "lofi": "lo-fi · soft beats, warm keys",
    "piano": "piano · a grand piano alone",
    "pop": "pop · a band with drums",
    "strings": "strings · a string orchestra",
    "tension": "tension · a pulse over low drones",
})  # fmt: skip
JUDGES = MappingProxyType({
    "unified": "unified · sound or MIDI, any music",
    "adff": "adff · sound alone",
    "poolingvq": "poolingvq · sound or MIDI, knows the piano best",
})  # fmt: skip
STAGES = MappingProxyType({
    "watch": Stage("Watching the clip", 10),
    "form": Stage("Fitting bars to the cuts", 1),
    "chords": Stage("Writing chords", 10),
    "dynamics": Stage("Shaping the dynamics", 5),
    "search": Stage("Listening to other ways to go on", 12),
    "arrange": Stage("Arranging", 3),
    "render": Stage("Playing the instruments", 25),
    "mux": Stage("Putting the music under the picture", 12),
    "judge": Stage("Listening to the result", 22),
})  # fmt: skip
LOCKS = (("its chords and key", "chords"), ("its bars and tempo", "form"))
HOME = MappingProxyType({
    "video": "Video",
    "music": "Music (WAV)",
    "midi": "MIDI",
    "chart": "Chord chart (.txt)",
    "sheet": "Lead sheet (MusicXML)",
    "chords": "Chords (.lab)",
    "stems": "Instruments (ZIP)",
    "manifest": "Manifest (.json)",
})  # fmt: skip
PAPERS = MappingProxyType({"csv": "Summary (CSV)", "html": "Summary (HTML)", "zip": "All of it (ZIP)"})
NO_CLIP = "There is no clip yet: upload one first, or take the demo clip."
UNHEARD = "<p>Nothing was heard yet.</p>"
NO_MUSIC = "There is no music yet: drop a sound or a MIDI file first."
VIEWS = MappingProxyType({"compared": "", "verdict": "Verdict", "chart": "Bars and chords", "roll": "Notes"})
IDLE, WORKING = "Nothing is composed yet.", ""  # the bar tells what is done meanwhile
FAILED = "Nothing new was composed. What was there before stays."
STOPPED_BATCH = "Stopped. What was not finished is gone."
MOST_SECTIONS = 200  # that can be drawn anew; ten minutes have fewer
BATCH_COLUMNS = ("Clip", "State", "Heard as", "Music", "Work", "Remarks")


def feels(valence: float, arousal: float) -> str:
    """A place on the plane in words; near an axis nothing is said of that axis."""
    said = [_side(valence, "pleasant", "unpleasant"), _side(arousal, "excited", "calm")]
    return " and ".join(filter(None, said)) or "neutral"


def _side(value: float, positive: str, negative: str) -> str:
    return "" if abs(value) < UNDECIDED else positive if value > 0 else negative


def counted(number: int, what: str) -> str:
    """So many things, in words that agree: no cuts, 1 cut, 2 cuts."""
    return f"{number or 'no'} {what}{'s' * (number != 1)}"


def made(piece: Piece, gone: Sequence[Piece] = ()) -> str:
    """A line on what was made, and on older pieces that are `gone` for it."""
    composition, result = piece.replay.composition, piece.result
    told = (
        f"{variant(piece)}: {result.duration_s:.0f} s of music in {composition.key}, "
        f"{composition.form.tempi[0].bpm:.0f} beats a minute, made in {sum(result.seconds.values()):.0f} s."
    )
    return " ".join([told, *(f"Variant {one.number} has made room for it." for one in gone)])


def variant(piece: Piece) -> str:
    """What a piece is called, with where it came from."""
    return f"Variant {piece.number}" + (f", {piece.origin}" if piece.origin else "")


def variants(pieces: Sequence[Piece], best: int | None) -> list[tuple[str, int]]:
    """What pieces are called, with their numbers; of several the one whose place is `best` is marked."""
    marked = len(pieces) > 1
    return [
        (variant(piece) + " · best match" * (marked and place == best), piece.number)
        for place, piece in enumerate(pieces)
    ]


def origin(piece: Piece, section: int, locks: Iterable[str]) -> str:
    """Where a piece comes from that was rolled from another: one section of it, or all but what was kept."""
    if section != EVERYTHING:
        return f"section {chart.letter(section - 1)} of {piece.number} anew"
    kept = " and ".join(words for words, lock in LOCKS if lock in locks)
    return f"{piece.number} anew" + (f", but {kept}" if kept else "")


def parts(spans_s: Sequence[tuple[float, float]] | None = None) -> list[tuple[str, int]]:
    """What of a piece can be drawn anew, given from where to where its sections reach; as many as one may have."""
    names = [f"section {chart.letter(place)}" for place in range(MOST_SECTIONS)]
    if spans_s is not None:
        spans = (f"{exact(start_s)} to {exact(end_s)}" for start_s, end_s in spans_s)
        names = [f"{name}, {span}" for name, span in zip(names, spans, strict=False)]
    return [("everything", EVERYTHING), *((name, number) for number, name in enumerate(names, start=1))]


def style_choices() -> list[tuple[str, str]]:
    """The styles that come with the program, in words."""
    return [(STYLES.get(name, name), name) for name in styles.names()]


def key_choices() -> list[tuple[str, str]]:
    """All keys, and the choice to leave it open."""
    return [("up to the mood", ANY_KEY), *((key, key) for key in wishes.key_names())]


def sound_choices() -> list[tuple[str, str]]:
    """What may become of a clip's own sound, in words; the usual first."""
    return [(SOUNDS[kind], kind) for kind in reversed(SOURCES)]


def percent(share: float) -> str:
    """A share of 1 in whole percent."""
    return f"{100 * share:.0f} %"
