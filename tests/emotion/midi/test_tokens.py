"""Compound words: one a note, in real time, whatever the file's tempo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.midi import tokens
from emotion.midi.notes import Notes


def played(*rows: tuple[float, float, int, int], drums: bool = False) -> Notes:
    start, end, pitch, velocity = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    return Notes(
        start.astype(float), end.astype(float), pitch.astype(int), velocity.astype(int), np.zeros(count, int),
        np.full(count, drums), np.zeros((0, 2)),
    )  # fmt: skip


def test_a_token_a_note_with_its_pitch_and_time() -> None:
    words, times_s = tokens.tokenize(played((0.5, 1.0, 60, 80), (1.0, 1.5, 64, 80), (3.25, 4.0, 67, 80)))
    assert words.shape == (3, len(tokens.COLUMNS))
    assert (words[:, 0] - words[0, 0]).tolist() == [0, 4, 7]
    np.testing.assert_allclose(times_s, [0.5, 1.0, 3.25], atol=0.5 / (tokens.GRID * tokens.BEATS_PER_S) + 1e-6)


def test_transposing_moves_the_pitch_and_nothing_else() -> None:
    rows = [(0.3 * step, 0.3 * step + 0.25, 60 + pitch, 70) for step, pitch in enumerate((0, 4, 7, 12, 7, 4, 0, 5, 9))]
    one, _ = tokens.tokenize(played(*rows))
    other, _ = tokens.tokenize(played(*[(start, end, pitch + 3, velocity) for start, end, pitch, velocity in rows]))
    assert (other[:, 0] - one[:, 0]).tolist() == [3] * len(rows)
    np.testing.assert_array_equal(other[:, 1:], one[:, 1:])


def test_louder_longer_and_later_are_higher_ids() -> None:
    words, _ = tokens.tokenize(played((0.0, 0.2, 60, 30), (0.25, 1.5, 62, 110), (2.5, 2.6, 64, 110)))
    velocity, duration, gap = (words[:, tokens.COLUMNS.index(name)] for name in ("velocity", "duration", "gap"))
    assert velocity[1] > velocity[0] and duration[1] > duration[0] and gap[2] > gap[1] > gap[0] - 1


def test_the_gap_class_is_found_by_a_loop() -> None:
    starts = np.cumsum([0, 1, 2, 3, 5, 7, 11, 17, 23, 31, 47, 60]) / (tokens.GRID * tokens.BEATS_PER_S)
    words, _ = tokens.tokenize(played(*[(start, start + 0.1, 60, 64) for start in starts]))
    gaps = np.round(np.diff(starts) * tokens.GRID * tokens.BEATS_PER_S)
    expected = [max(index for index, edge in enumerate(tokens.GAPS) if gap >= edge) for gap in gaps]
    assert (words[1:, tokens.COLUMNS.index("gap")] - 4).tolist() == expected


def test_drums_and_silence_have_no_tokens() -> None:
    assert tokens.tokenize(played((0.0, 0.5, 38, 90), drums=True))[0].shape == (0, len(tokens.COLUMNS))
    empty = played((0.0, 0.5, 60, 90)).within(5, 6)
    words, times_s = tokens.tokenize(empty)
    assert words.shape == (0, len(tokens.COLUMNS)) and times_s.shape == (0,)


def test_what_starts_after_the_last_bar_is_left_out() -> None:
    words, times_s = tokens.tokenize(played((0.0, 1.0, 60, 80), (tokens.LONGEST_S + 5, tokens.LONGEST_S + 6, 60, 80)))
    assert len(words) == len(times_s) == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 119), st.floats(0.01, 30), st.integers(0, 127), st.integers(1, 127)), min_size=1)
)
def test_ids_stay_within_their_vocabularies_and_times_rise(notes: list[tuple[float, float, int, int]]) -> None:
    rows = sorted((start, start + length, pitch, velocity) for start, length, pitch, velocity in notes)
    words, times_s = tokens.tokenize(played(*rows))
    assert (np.diff(times_s) >= 0).all()
    assert (words >= 4).all() and (words < np.array(tokens.sizes())).all()


@pytest.mark.parametrize("column", tokens.COLUMNS)
def test_every_column_has_a_size(column: str) -> None:
    assert tokens.sizes()[tokens.COLUMNS.index(column)] > 4
