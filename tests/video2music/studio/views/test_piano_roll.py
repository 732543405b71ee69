"""The piano roll: every note where and when it sounds, and a string of bounded length whatever the piece."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video2music.studio.views.svg_reading import NASTY, labelled, marks, read, said, styled
from video2music.arranging import midi
from video2music.studio.views import piano_roll
from video2music.values import Key, Marker, Metre, Note, Score, Tempo, Track

TRANSFORM = re.compile(r"scale\(([\d.]+) ([\d.]+)\) translate\(0 \.5\)")
STROKE = re.compile(r"M(\d+) (\d+)h(\d+)")


def score(*tracks, duration_s=10.0, markers=()):
    return Score(tuple(tracks), (Tempo(0.0, 120.0),), (Metre(0.0, 4),), Key(0, "major"), duration_s, markers)


def track(notes, *, name="piano", drums=False, program=0):
    return Track(name, program, tuple(Note(*note, 90) for note in notes), drums)


def strokes(path, lasting_s):
    """(from, to, share of the height) of a path's strokes as they are seen, in s."""
    across, down = (float(number) for number in TRANSFORM.fullmatch(path.get("transform")).groups())
    found = [tuple(map(int, each)) for each in STROKE.findall(path.get("d"))]
    per_unit = lasting_s / 1000
    return [(x * across * per_unit, (x + n) * across * per_unit, (y + 0.5) * down / 100) for x, y, n in found]


def test_notes_are_drawn_when_they_sound():
    notes = [(0.0, 1.0, 60), (2.5, 3.0, 64), (9.0, 10.0, 47)]
    (path,) = styled(read(piano_roll.view(score(track(notes)))), "keys")
    found = sorted(strokes(path, 10.0))
    spans = np.array([(start, end) for start, end, _ in found])
    assert spans == pytest.approx(np.array([note[:2] for note in notes]), abs=10 / 4000)
    low, middle, high = (height for _, _, height in sorted(found, key=lambda each: -each[2]))
    assert (low - middle) / (middle - high) == pytest.approx((60 - 47) / (64 - 60))


def test_octaves_are_lines_below_their_c_with_its_name():
    tree = read(piano_roll.view(score(track([(0, 1, 48), (1, 2, 60), (2, 3, 84)]))))
    (path,) = styled(tree, "keys")
    heights = [height for _, _, height in sorted(strokes(path, 10.0))]
    names = {
        each.text: float(re.search(r"top:([\d.]+)%", each.get("style"))[1]) / 100 for each in styled(tree, "level")
    }
    assert names == {"C3": pytest.approx(heights[0], abs=1e-3), "C4": pytest.approx(heights[1], abs=1e-3),
                     "C5": pytest.approx((heights[1] + heights[2]) / 2, abs=1e-3),
                     "C6": pytest.approx(heights[2], abs=1e-3)}  # fmt: skip


def test_tracks_have_colours_of_their_own_and_drums_a_lane():
    tracks = [track([(n, n + 1, 50 + n)], name=f"track {n}") for n in range(4)]
    kit = track([(0, 0.1, 36), (1, 4.0, 42), (2, 2.1, 36)], name="drums", drums=True)
    tree = read(piano_roll.view(score(*tracks, kit)))
    kinds = [path.get("class") for path in styled(tree, "keys")]
    assert len(set(kinds)) == 5 and len(set(piano_roll.COLORS)) == len(piano_roll.COLORS)
    lane = labelled(tree, "strokes of the drums")
    (path,) = styled(lane, "keys")
    found = sorted(strokes(path, 10.0))
    assert [round(start) for start, _, _ in found] == [0, 1, 2]
    assert all(end - start < 0.11 for start, end, _ in found)  # however long it rings
    assert [height for _, _, height in found] == pytest.approx([0.75, 0.25, 0.75])
    (shown,) = styled(tree, "legend")
    assert said(shown) == "track 0 track 1 track 2 track 3 drums"


def luminance(color):
    """Of #rrggbb, as WCAG 2.2 defines it."""
    shares = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


@pytest.mark.parametrize("ground", ["#ffffff", "#1f2937"])
@pytest.mark.parametrize("color", piano_roll.COLORS)
def test_every_colour_stands_out_from_light_and_from_dark(color, ground):
    low, high = sorted((luminance(color), luminance(ground)))
    assert (high + 0.05) / (low + 0.05) >= 3  # what WCAG asks of graphics


def test_cuts_are_drawn_where_the_score_marks_them():
    markers = (Marker(2.5, "cut"), Marker(4.0, "section 2"))
    (path,) = [
        e for e in styled(read(piano_roll.view(score(track([(0, 1, 60)]), markers=markers))), "cut") if e.tag == "path"
    ]
    assert marks(path) == [250]


@settings(deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60), st.integers(0, 5)), min_size=1, max_size=40),
    columns_per_s=st.sampled_from([10.0, 2.0, 0.5]),
)
def test_strokes_cover_what_sounds_and_nothing_else(spans, columns_per_s):
    notes = [Note(start / 10, (start + length) / 10, pitch, 90) for start, length, pitch in spans]
    found = piano_roll.strokes(notes, lambda pitch: pitch, columns_per_s)
    covered = [(row, column) for row, start, end in found.tolist() for column in range(start, end)]
    wanted = set()
    for note in notes:
        first, last = int(note.start_s * columns_per_s), round(note.end_s * columns_per_s)
        wanted |= {(note.pitch, column) for column in range(first, max(last, first + 1))}
    assert len(covered) == len(set(covered)) and set(covered) == wanted
    ends = {(row, end) for row, _, end in found.tolist()}
    assert not ends & {(row, start) for row, start, _ in found.tolist()}  # what touches is one stroke


def many(seconds, per_s, *, tracks=6, drums=2):
    rng = np.random.default_rng(0)
    made = []
    for number in range(tracks):
        starts = rng.uniform(0, seconds - 2, int(seconds * per_s / tracks))
        notes = [(float(s), float(s + rng.uniform(0.05, 2)), int(rng.integers(30, 90))) for s in starts]
        made.append(track(notes, name=f"track {number}", drums=number >= tracks - drums))
    return score(*made, duration_s=float(seconds))


@pytest.mark.parametrize(("seconds", "per_s", "tracks"), [(3600, 20, 6), (300, 60, 15)])
def test_long_pieces_stay_small(seconds, per_s, tracks):
    piece = many(seconds, per_s, tracks=tracks)
    text = piano_roll.view(piece)
    assert len(text) < 300_000
    drawn = styled(read(text), "keys")
    assert len(drawn) == tracks and all(path.get("d") for path in drawn)
    first = min(start for path in drawn for start, _, _ in strokes(path, float(seconds)))
    earliest = min(note.start_s for each in piece.tracks for note in each.notes)
    assert first == pytest.approx(earliest, abs=seconds / 100)


def test_of_hundreds_of_tracks_the_busiest_are_drawn():
    tracks = [track([(n, n + 1, 60) for n in range(2 + number % 3)], name=f"t{number}") for number in range(300)]
    text = piano_roll.view(score(*tracks))
    tree = read(text)
    assert len(styled(tree, "keys")) == piano_roll.MOST_TRACKS and "260 tracks with fewer notes are left out" in said(
        tree
    )
    (shown,) = styled(tree, "legend")
    assert {int(word[1:]) % 3 for word in said(shown).split()} == {2}


@pytest.mark.parametrize("tracks", [(), (track([]),)])
def test_a_score_without_notes_says_so(tracks):
    assert "There are no notes." in said(read(piano_roll.view(score(*tracks, duration_s=0.0))))


def test_a_note_that_rings_beyond_the_end_is_in_the_picture():
    (path,) = styled(read(piano_roll.view(score(track([(0, 20.0, 60)]), duration_s=10.0))), "keys")
    assert strokes(path, 20.0)[0][:2] == (0, 20.0)


def test_names_cannot_become_markup(tmp_path):
    piece = score(track([(0, 1, 60)], name=NASTY))
    assert "<script>alert(1)</script>" in said(read(piano_roll.view(piece)))
    midi.write(replace(piece, tracks=(track([(0, 1, 60)], name="<b>é</b>"),)), tmp_path / "a.mid")
    assert "<b>é</b>" in said(read(piano_roll.view(midi.read(tmp_path / "a.mid"))))
