"""The piano roll: every note over time, the tracks in colours, drums below on lines of their own.

The notes of a track are one path of strokes, a stroke as thick as a key. Times are whole columns; notes of one key that
touch in columns are one stroke. Of a long piece there are more notes than pixels: the columns are then made wider until
the path is short enough, which shows where something plays, as the eye would see it.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from video2music.studio import timeline
from video2music.studio.timeline import HEIGHT, SPAN, level
from video2music.svg import MOST_TICKS
from video2music.values import Note, Score, Track

COLUMNS = 4000  # of the finest drawing
MOST_LETTERS = 130_000  # of the paths of a lane, of which there are two
OCTAVE = 12
FEWEST_KEYS = 24  # a piece of few pitches is not drawn with keys as thick as beams
WIDTHS = ((90.0, 100), (300.0, 200), (1200.0, 400))  # pieces up to so many s are so many percent of the column wide
WIDEST = 800
COLORS = (
    "#2b83cf", "#d9612a", "#14968a", "#b656c8", "#5a9e2f", "#e0457b", "#a5713c", "#7a6ff0", "#8d8d2a", "#8a93a1",
)  # fmt: skip
"""Of tracks in order, each of which reads on light and on dark; the eleventh begins anew, paler."""

STYLE = f"""
.v2m .roll {{ overflow-x: auto; overflow-y: hidden; margin: .4em 0 .6em; padding-bottom: .3em; }}
.v2m .roll .lanes {{ margin-bottom: .2em; }}
.v2m .lane path.keys {{ vector-effect: none; fill: none; stroke-width: .86; }}
.v2m .roll .cut {{ stroke-opacity: .6; }}
{"".join(f".v2m .track-{number} {{ color: {color}; stroke: {color}; }}" for number, color in enumerate(COLORS))}
.v2m .again {{ stroke-opacity: .6; }} .v2m b.again {{ opacity: .6; }}
"""


class Stroke(NamedTuple):
    """Columns from start to end, less end itself, in which a key sounds; `row` counts lines from the top."""

    row: int
    start: int
    end: int


def view(score: Score) -> str:
    """HTML of the notes of a score, which can be scrolled sideways where it is long."""
    playing = [track for track in score.tracks if track.notes]
    if not playing:
        return timeline.view("piano roll", timeline.sentence("There are no notes."))
    lasting_s = max(score.duration_s, *(note.end_s for track in playing for note in track.notes))
    cuts = timeline.cut_marks((mark.time_s for mark in score.markers if mark.text == "cut"), lasting_s)
    width = next((percent for until_s, percent in WIDTHS if lasting_s <= until_s), WIDEST)
    rows = (_keys(playing, lasting_s, cuts), _kit(playing, lasting_s, cuts))
    lanes = timeline.lanes(lasting_s, *rows, most_ticks=MOST_TICKS * width // 100)
    entries = [
        (f"block {_style(place)}", track.name or f"program {track.program}") for place, track in enumerate(playing)
    ]
    return timeline.view(
        "piano roll",
        timeline.legend(*entries, *([("cut", "cut")] if cuts else [])),
        f'<div class="roll" tabindex="0"><div style="width:{width}%">{lanes}</div></div>',
        style=STYLE,
    )


def _style(place: int) -> str:
    return f"track-{place % len(COLORS)}" + (" again" if place >= len(COLORS) else "")


def _keys(playing: Sequence[Track], lasting_s: float, cuts: str) -> str:
    """The lane of all tracks but drums, the highest key on top, with a line below every C."""
    pitches = {note.pitch for track in playing if not track.drums for note in track.notes}
    if not pitches:
        return ""
    spare = max(0, FEWEST_KEYS - 1 - (max(pitches) - min(pitches)))
    high, low = max(pitches) + spare // 2, min(pitches) - (spare + 1) // 2
    keys = high - low + 1
    tracks = {place: track.notes for place, track in enumerate(playing) if not track.drums}
    drawn = _paths(tracks, lambda pitch: high - pitch, keys, lasting_s)
    octaves = {pitch: (high - pitch + 1) / keys for pitch in range(low, high + 1) if pitch % OCTAVE == 0}
    lines = "".join(f"M0 {HEIGHT * share:.1f}h{SPAN}" for share in octaves.values())
    names = [level(share - 0.5 / keys, f"C{pitch // OCTAVE - 1}") for pitch, share in octaves.items()]
    parts = [f'<path class="grid" d="{lines}"/>', cuts, *drawn]
    return timeline.lane("notes over time", parts, height_em=min(max(9.0, 0.32 * keys), 20.0), beside=names)


def _kit(playing: Sequence[Track], lasting_s: float, cuts: str) -> str:
    """The lane of the drums, a line for each instrument of the kit."""
    tracks = {place: track.notes for place, track in enumerate(playing) if track.drums}
    pitches = sorted({note.pitch for notes in tracks.values() for note in notes}, reverse=True)
    if not pitches:
        return ""
    drawn = _paths(tracks, pitches.index, len(pitches), lasting_s)
    frame = f'<path class="grid" d="M0 0h{SPAN}M0 {HEIGHT}h{SPAN}"/>'
    told = "strokes of the drums over time"
    return timeline.lane(told, [frame, cuts, *drawn], height_em=0.6 * len(pitches) + 0.8, beside=[level(0.5, "drums")])


def _paths(tracks: dict[int, Sequence[Note]], row_of: Callable[[int], int], rows: int, lasting_s: float) -> list[str]:
    """One path a track, by the track's place, in columns as fine as MOST_LETTERS allows."""
    columns = COLUMNS
    while True:
        data = {place: _data(strokes(notes, row_of, columns / lasting_s)) for place, notes in tracks.items()}
        if columns == 1 or sum(map(len, data.values())) <= MOST_LETTERS:
            break
        columns //= 2
    place_in_lane = f"scale({SPAN / columns:g} {HEIGHT / rows:.6g}) translate(0 .5)"
    return [
        f'<path class="keys {_style(place)}" transform="{place_in_lane}" d="{path}"/>' for place, path in data.items()
    ]


def strokes(notes: Iterable[Note], row_of: Callable[[int], int], columns_per_s: float) -> list[Stroke]:
    """What to draw of notes, row by row in order of time: each takes one column at least."""
    spans = sorted(
        Stroke(
            row_of(note.pitch),
            start := int(note.start_s * columns_per_s),
            max(round(note.end_s * columns_per_s), start + 1),
        )
        for note in notes
    )
    found: list[Stroke] = []
    for row, group in groupby(spans, lambda span: span.row):
        for span in group:
            if found and found[-1].row == row and span.start <= found[-1].end:
                found[-1] = Stroke(row, found[-1].start, max(found[-1].end, span.end))
            else:
                found.append(span)
    return found


def _data(found: Iterable[Stroke]) -> str:
    return "".join(f"M{one.start} {one.row}h{one.end - one.start}" for one in found)
