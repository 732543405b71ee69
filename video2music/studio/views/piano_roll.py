"""The piano roll: every note over time, the tracks in colours, drums below on lines of their own.

The notes of a track are one path of strokes, a stroke as thick as a key. Times are whole columns; notes of one key that
touch in columns are one stroke. Of a long piece there are more notes than pixels: the columns are then made wider until
the strokes are few enough, which shows where something plays, as the eye would see it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emotion.svg import MOST_TICKS
from video2music.studio.text import counted
from video2music.studio.views import timeline
from video2music.studio.views.timeline import HEIGHT, SPAN, level
from video2music.values import Note, Score, Track

COLUMNS = 4000  # of the finest drawing
MOST_STROKES = 9000  # of a lane, of up to 14 letters each
MOST_TRACKS = 40  # anyone's MIDI may have hundreds
OCTAVE = 12
STROKE_S = 0.1  # of a drum: how long it rings is not what was played
FEWEST_KEYS = 24  # a piece of few pitches is not drawn with keys as thick as beams
WIDTHS = ((90.0, 100), (300.0, 200), (1200.0, 400))  # pieces up to so many s are so many percent of the column wide
WIDEST = 800
COLORS = (
    "#2b83cf", "#d9612a", "#14968a", "#b656c8", "#5a9e2f", "#b07d00", "#7a6ff0", "#8a93a1", "#8d8d2a", "#a5713c",
)  # fmt: skip
"""Of tracks in order, each of which reads on light and on dark; the eleventh begins anew, paler."""

STYLE = """
.v2m .roll { overflow-x: auto; overflow-y: hidden; margin: .4em 0 .6em; padding-bottom: .3em; }
.v2m .roll .lanes { margin-bottom: .2em; }
.v2m .lane path.keys { vector-effect: none; fill: none; stroke-width: .86; }
.v2m .roll .cut { stroke-opacity: .6; }
.v2m .again { stroke-opacity: .6; } .v2m b.again { opacity: .6; }
"""


def view(score: Score) -> str:
    """HTML of the notes of a score, which can be scrolled sideways where it is long."""
    playing, more = _busiest([track for track in score.tracks if track.notes])
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
        timeline.sentence(f"{counted(more, 'track')} with fewer notes {'are' if more > 1 else 'is'} left out.")
        if more
        else "",
        timeline.legend(*entries, *([("cut", "cut")] if cuts else [])),
        f'<div class="roll" tabindex="0"><div style="width:{width}%">{lanes}</div></div>',
        style=STYLE + "".join(_colour(number) for number in range(len(COLORS))),
    )


def _busiest(tracks: Sequence[Track]) -> tuple[list[Track], int]:
    """No more than MOST_TRACKS, those with the most notes, in their order; and how many are left out."""
    least = sorted((len(track.notes) for track in tracks), reverse=True)[:MOST_TRACKS][-1:]
    kept = [track for track in tracks if len(track.notes) >= least[0]][:MOST_TRACKS] if least else []
    return kept, len(tracks) - len(kept)


def _colour(number: int) -> str:
    return f".v2m .track-{number} {{ color: {COLORS[number]}; stroke: {COLORS[number]}; }}\n"


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
    tracks = {
        place: [replace(note, end_s=note.start_s + STROKE_S) for note in track.notes]
        for place, track in enumerate(playing)
        if track.drums
    }
    pitches = sorted({note.pitch for notes in tracks.values() for note in notes}, reverse=True)
    if not pitches:
        return ""
    drawn = _paths(tracks, pitches.index, len(pitches), lasting_s)
    frame = f'<path class="grid" d="M0 0h{SPAN}M0 {HEIGHT}h{SPAN}"/>'
    title = "strokes of the drums over time"
    return timeline.lane(title, [frame, cuts, *drawn], height_em=0.6 * len(pitches) + 0.8, beside=[level(0.5, "drums")])


def _paths(
    tracks: Mapping[int, Sequence[Note]], row_of: Callable[[int], int], rows: int, lasting_s: float
) -> list[str]:
    """One path a track, by the track's place, in columns as fine as MOST_STROKES allows."""
    columns = COLUMNS
    while True:
        found = {place: strokes(notes, row_of, columns / lasting_s) for place, notes in tracks.items()}
        if columns == 1 or sum(map(len, found.values())) <= MOST_STROKES:
            break
        columns //= 2
    place_in_lane = f"scale({SPAN / columns:g} {HEIGHT / rows:.6g}) translate(0 .5)"
    return [
        f'<path class="keys {_style(place)}" transform="{place_in_lane}" d="{_data(drawn)}"/>'
        for place, drawn in found.items()
    ]


def strokes(notes: Sequence[Note], row_of: Callable[[int], int], columns_per_s: float) -> NDArray[np.int64]:
    """What to draw of notes (at least one), (S, 3): row from the top, column, and the column where it ends.

    They are in order of rows and columns; a note takes one column at least, and notes that touch are one stroke.
    """
    rows = np.array([row_of(note.pitch) for note in notes], np.int64)
    starts, ends = np.array([(note.start_s, note.end_s) for note in notes]).T * columns_per_s
    spans = np.stack([rows, starts.astype(np.int64), ends.round().astype(np.int64)], axis=1)
    spans[:, 2] = np.maximum(spans[:, 2], spans[:, 1] + 1)
    spans = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
    along = spans[:, 1:] + spans[:, :1] * (2 + spans[:, 2].max())  # one row after the other, with a gap between
    until = np.maximum.accumulate(along[:, 1])
    heads = np.flatnonzero(np.append(True, along[1:, 0] > until[:-1]))
    return np.column_stack([spans[heads, :2], np.maximum.reduceat(spans[:, 2], heads)])


def _data(found: NDArray[np.int64]) -> str:
    return "".join(f"M{start} {row}h{end - start}" for row, start, end in found.tolist())
