"""The demo clip: what is drawn, and the file it becomes."""

import av
import cv2
import numpy as np
import pytest

from video2music import demo

SCENES = [(scene, count) for scene, count in demo.SCENES]


@pytest.fixture(scope="module")
def looks():
    """Three frames of each scene, four tenths of a second apart, the first beside the one after it."""
    return {scene.__name__: [scene(time_s) for time_s in (1.0, 1.0 + 1 / demo.FPS, 2.4, 3.8)] for scene, _ in SCENES}


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The clip with a second of each scene, written as the whole one is."""
    patch = pytest.MonkeyPatch()
    patch.setattr(demo, "SCENES", tuple((scene, demo.FPS) for scene, _ in SCENES))
    path = demo.draw(tmp_path_factory.mktemp("demo") / "a demo's clip.mp4")
    patch.undo()
    return path


def test_the_clip_has_three_scenes_and_lasts_twenty_seconds():
    assert len(SCENES) == 3
    assert sum(count for _, count in SCENES) / demo.FPS == pytest.approx(20)


def test_frames_are_rgb_of_the_stated_size(looks):
    for frames in looks.values():
        assert all(frame.shape == (360, 640, 3) and frame.dtype == np.uint8 for frame in frames)


def test_a_frame_depends_on_nothing_but_its_time(looks):
    for scene, _ in SCENES:
        scene(5.0)
        assert (scene(1.0) == looks[scene.__name__][0]).all()


def test_every_scene_moves_and_the_drive_moves_most(looks):
    moved = {name: np.abs(a.astype(int) - b).mean() for name, (a, b, *_) in looks.items()}
    assert min(moved.values()) > 0.03
    assert moved["drive"] > 20 * max(moved["dawn"], moved["rain"])


def test_dawn_is_warm_and_light_the_drive_dark_and_vivid_and_the_rain_grey(looks):
    hsv = {name: cv2.cvtColor(frames[2], cv2.COLOR_RGB2HSV).reshape(-1, 3) for name, frames in looks.items()}
    saturation, light = ({name: rows[:, channel].mean() for name, rows in hsv.items()} for channel in (1, 2))
    red, _, blue = looks["dawn"][2].reshape(-1, 3).mean(0)
    assert red > blue
    assert light["dawn"] > light["rain"] > light["drive"]
    assert saturation["drive"] > 2 * saturation["rain"]


def test_nothing_is_blown_out_or_flat(looks):
    for frames in looks.values():
        assert all(20 < frame.mean() < 220 and frame.std() > 10 for frame in frames)


def test_the_file_holds_the_drawn_frames_at_the_drawn_rate(short):
    with av.open(str(short)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.average_rate == demo.FPS
        assert len(container.streams) == 1
    assert len(frames) == 3 * demo.FPS
    for index, (scene, _) in enumerate(SCENES):
        wanted = scene(10 / demo.FPS).astype(int)
        assert np.abs(frames[index * demo.FPS + 10] - wanted).mean() < 6


def test_the_hard_cuts_are_detected(short):
    from video2music import features

    found = features.extract(short, encoder="color", cache=False)
    assert [cut.time_s for cut in found.cuts] == pytest.approx([1.0, 2.0], abs=1 / demo.FPS)


def test_the_scenes_differ_in_predicted_affect(short):
    from video2music import features

    dawn, drive, rain = features.extract(short, encoder="color", cache=False).affect
    assert dawn[0] > drive[0] > rain[0]
    assert drive[1] > rain[1]


def test_the_script_writes_the_clip_and_says_where(short, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "SCENES", ((demo.dawn, 2),))
    assert demo.main([str(tmp_path / "clip.mp4")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").stat().st_size > 1000


def test_the_script_says_in_a_sentence_that_it_cannot_write(tmp_path, capsys):
    assert demo.main([str(tmp_path / "no such folder" / "clip.mp4")]) == 1
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--help"]])
def test_the_script_tells_its_usage(arguments, capsys):
    assert demo.main(arguments) == 2
    assert "usage" in capsys.readouterr().err


def test_a_frame_that_cannot_be_drawn_leaves_no_file(tmp_path, monkeypatch):
    def broken(time_s):
        if time_s > 0:
            raise RuntimeError("the brush broke")
        return demo.dawn(time_s)

    monkeypatch.setattr(demo, "SCENES", ((broken, 5),))
    with pytest.raises(RuntimeError):
        demo.draw(tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []
