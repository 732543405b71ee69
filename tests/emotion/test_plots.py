"""Pictures are read back: what is drawn where, and that nothing of a file's name is taken for a formula."""

import warnings

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from emotion import plots
from emotion.errors import OutputError
from emotion.values import EmotionReport, Prediction


def report(*places: tuple[float, float]) -> EmotionReport:
    windows = [Prediction(4.0 * n, 4.0 * n + 8, *place, (0.25,) * 4) for n, place in enumerate(places)]
    whole = Prediction(0, windows[-1].end_s, *np.mean(places, axis=0).tolist(), (0.25,) * 4)
    return EmotionReport(whole, tuple(windows), "audio", "test", "0")


def image(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), float) / 255


def near(pixels: np.ndarray, color: str) -> np.ndarray:
    return np.abs(pixels - to_rgb(color)).max(-1) < 0.05


def test_a_picture_has_a_row_for_each_file(tmp_path):
    sizes = []
    for count in (1, 3):
        plots.draw([("song.wav", report((0.5, 0.5), (0.2, -0.4)))] * count, tmp_path / "out.png")
        sizes.append(image(tmp_path / "out.png").shape[0])
    assert sizes[1] == 3 * sizes[0]


def test_valence_above_arousal_is_drawn_above_it(tmp_path):
    plots.draw([("song.wav", report(*[(0.8, -0.8)] * 6))], tmp_path / "out.png")
    pixels = image(tmp_path / "out.png")
    middle = slice(pixels.shape[1] // 6, pixels.shape[1] // 3)  # left of the legend
    heights = [np.flatnonzero(near(pixels[:, middle], plots.COLORS[axis]).any(1)).mean() for axis in plots.COLORS]
    assert heights[0] < pixels.shape[0] * 0.4 and heights[1] > pixels.shape[0] * 0.6


def test_curves_are_drawn_at_the_middles_of_their_windows():
    figure = Figure()
    axes = figure.subplots()
    plots.over_time(axes, report((0.5, 0.1), (0.2, -0.4)), "x")
    (first, second) = (line for line in axes.lines if line.get_label() in plots.COLORS)
    assert first.get_xydata().tolist() == [[4, 0.5], [8, 0.2]] and second.get_ydata().tolist() == [0.1, -0.4]


def test_the_path_runs_through_the_windows_in_order():
    figure = Figure()
    axes = figure.subplots()
    plots.on_plane(axes, report((0.5, 0.1), (0.2, -0.4), (-0.6, 0.0)))
    paths = [line.get_xydata().tolist() for line in axes.lines if len(line.get_xdata()) == 2][:2]
    assert paths == [[[0.5, 0.1], [0.2, -0.4]], [[0.2, -0.4], [-0.6, 0.0]]]
    star = axes.collections[-1].get_offsets().tolist()
    assert star == [pytest.approx([0.1 / 3, -0.1])]


@pytest.mark.parametrize("name", ["$x_{.wav", "日本\n語.wav", "t\udcff.mid", "x" * 500])
def test_any_name_is_drawn_as_it_is_and_silently(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.draw([(name, report((0.1, 0.1)))], tmp_path / "out.svg")
    assert (tmp_path / "out.svg").read_bytes().startswith(b"<?xml")


def test_many_files_still_fit_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "MOST_PIXELS", 900)
    plots.draw([("a.wav", report((0.1, 0.1)))] * 5, tmp_path / "out.png")
    assert image(tmp_path / "out.png").shape[0] == pytest.approx(900, abs=2)


def test_a_picture_can_be_a_pdf(tmp_path):
    plots.draw([("a.wav", report((0.1, 0.1)))], tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        plots.draw([("a.wav", report((0.1, 0.1)))], tmp_path / "nowhere" / "out.png")
    assert list(tmp_path.iterdir()) == []
