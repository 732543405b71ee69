"""What is measured of a scored clip: its ending, its length as decoded, and which cuts are strong."""

import numpy as np
import pytest

from emotion.errors import DataError
from tests.video2music.video_files import clicks, film
from video2music.composing import form
from video2music.errors import MediaError
from video2music.evaluate import tables
from video2music.evaluate.music import clips, cuts
from video2music.evaluate.music.cuts import CutList
from video2music.media import mux
from video2music.values import Cut

RATE = clips.RATE


def fading(seconds, silent_s, seed=0):
    """Noise that stops `silent_s` before its end."""
    sound = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * RATE), 2))
    sound[len(sound) - round(silent_s * RATE) :] = 0
    return sound


@pytest.mark.parametrize("silent_s", [0.0, 0.2, 1.37])
def test_an_ending_is_as_long_as_the_silence_in_it(silent_s):
    found_s, end_db = clips.ending(fading(5.0, silent_s))
    assert found_s == pytest.approx(silent_s, abs=0.011)
    assert (end_db < -100) == (silent_s > 0)
    assert silent_s or end_db == pytest.approx(0, abs=0.5)


def test_a_sound_40_db_below_the_piece_has_decayed():
    sound = fading(5.0, 0.0)
    sound[4 * RATE :] *= 0.008  # -42 dB
    assert clips.ending(sound)[0] == pytest.approx(1.0, abs=0.011)
    sound[4 * RATE :] *= 2  # -36 dB
    assert clips.ending(sound)[0] < 0.011


@pytest.mark.parametrize("seconds", [0.9, 1.0, 1.25])
def test_a_decoded_clip_shows_how_long_its_sound_is(tmp_path, seconds):
    picture = film(tmp_path / "a.mp4")
    found = clips.decode_clip(mux.mux(picture, clicks(tmp_path / "a.wav", 2.0), tmp_path / "b", duration_s=seconds))
    assert found.picture_s == pytest.approx(1.0, abs=1e-3)
    assert found.sound_s == pytest.approx(seconds, abs=0.021)
    assert found.sound_starts_s == pytest.approx(0, abs=1e-3)
    assert len(found.samples) == pytest.approx(found.sound_s * RATE, abs=300)


def test_a_clip_without_sound_is_reported(tmp_path):
    with pytest.raises(MediaError, match="no sound"):
        clips.decode_clip(film(tmp_path / "a.mp4"))
    with pytest.raises(MediaError, match="no sound"):
        clips.decode_sound(film(tmp_path / "a.mp4"))


def test_a_folder_is_read_at_any_depth_and_hidden_files_are_left_out(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("z.mp4", "b/a.mov", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in clips.files(tmp_path)] == ["a.mov", "z.mp4"]
    found = clips.measure(tmp_path, tmp_path / "work", seeds=1)
    assert len(found.refused) == 2 and found.by_seed() == []
    with pytest.raises(DataError, match="could be scored"):
        list(clips.clip_rows(found.scored))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no clips"):
        clips.files(tmp_path / "empty")


def test_a_clip_that_breaks_something_stops_no_other(tmp_path, monkeypatch, caplog):
    """Each clip is scored for every seed or for none; what is no video and what failed are kept apart."""
    for name in ("a.mp4", "b.mp4", "c.txt"):
        (tmp_path / name).write_bytes(b"x")

    def compose(clip, out, options):
        if clip.name == "a.mp4":
            raise IndexError("off the end")
        if clip.name == "c.txt":
            raise MediaError(f"{clip} is not a video: give another")
        return clip.name, options.seed

    monkeypatch.setattr(clips.pipeline, "compose", compose)
    monkeypatch.setattr(clips, "measure_result", lambda name, seed, result: result)
    found = clips.measure(tmp_path, tmp_path / "work", seeds=2)
    assert found.scored == (("b.mp4", 0), ("b.mp4", 1))
    assert found.refused == ("c.txt is not a video: give another",)
    assert found.failed == ("a.mp4: something unforeseen happened (IndexError: off the end)",)
    assert "off the end" in caplog.text


def test_of_cuts_within_four_seconds_only_the_stronger_is_strong():
    """As the issue says it, written out: the strongest first, each making those near it weak."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = cuts.random_cut_list(rng)
        left, strong = sorted(drawn.cuts, key=lambda cut: -cut.strength), []
        while left:
            first = left.pop(0)
            strong.append(first.time_s)
            left = [cut for cut in left if abs(cut.time_s - first.time_s) >= 4]
        assert drawn.strong_s().tolist() == sorted(strong)


def test_cut_lists_are_as_long_as_the_issue_asks():
    rng = np.random.default_rng(1)
    drawn = [cuts.random_cut_list(rng) for _ in range(300)]
    assert {len(each.cuts) for each in drawn} == set(range(4, 13))
    assert all(20 <= each.duration_s <= 120 and -1 <= each.arousal <= 1 for each in drawn)
    assert all(0 <= cut.time_s <= each.duration_s for each in drawn for cut in each.cuts)


def test_the_nearest_downbeat_counts():
    found = cuts.errors_ms(np.array([0.0, 1.9, 2.1, 9.0]), np.array([0.5, 2.0, 4.0]))
    assert found.tolist() == pytest.approx([500, 100, -100, -5000])
    assert cuts.errors_ms(np.array([]), np.array([0.5])).shape == (0,)


def test_the_plan_meets_cuts_that_fixed_and_shifted_grids_miss():
    found = cuts.cut_rows(1, lists=25)
    share = {name: row["within_80ms"]["mean"] for name, row in found.items()}
    assert share["shipped"] >= 0.75
    assert share["fixed 120 bpm"] < 0.3 and share["shipped, at a random offset"] < 0.35
    assert share["shipped"] > share["one tempo for the whole clip"] > share["fixed 120 bpm"]
    for row in found.values():
        for figure in row.values():
            assert figure["low"] <= figure["mean"] <= figure["high"] and len(figure["seeds"]) == 1


def test_a_grid_at_a_random_offset_covers_the_clip():
    rng = np.random.default_rng(2)
    for _ in range(20):
        given = cuts.random_cut_list(rng)
        planned, moved = (cuts.GRIDS[name](given, rng) for name in ("shipped", "shipped, at a random offset"))
        assert moved[0] < np.diff(planned).max() and moved[-1] >= planned[-1]
        assert np.diff(moved).max() == pytest.approx(np.diff(planned).max(), rel=0.3)


def test_one_tempo_is_one_tempo():
    given = CutList(60.0, tuple(Cut(time_s, 9.0) for time_s in (7.1, 16.6, 29.0, 44.4)), 0.2, "piano")
    bars = cuts.GRIDS["one tempo for the whole clip"](given, np.random.default_rng(0))
    lengths = np.diff(bars)
    usual = np.median(lengths)
    assert all(abs(length - usual) < 1e-6 or length == pytest.approx(usual / 2, rel=1e-6) for length in lengths[:-1])
    assert form.plan(60.0, given.cuts, arousal=0.2, style=cuts.styles.load_style("piano")).end_s <= 60


def test_pooled_figures_are_those_of_all_errors_together():
    errors = [
        [np.array([1.0, 2.0, 3.0]), np.array([]), np.array([10.0])],
        [np.array([4.0]), np.array([5.0]), np.zeros(0)],
    ]
    found = tables.pooled(errors, lambda values: float(np.median(values)))
    assert found["mean"] == 3.5 and found["seeds"] == [2.5, 4.5]
    assert 2 <= found["low"] <= found["mean"] <= found["high"] <= 10


def test_the_worst_of_all_seeds_is_reported():
    found = tables.extreme(
        [np.array([1.0, -7.0]), np.array([3.0, 5.0])], lambda values: values[np.abs(values).argmax()]
    )
    assert found == {"mean": -7.0, "low": -7.0, "high": -7.0, "seeds": [-7.0, 5.0]}
