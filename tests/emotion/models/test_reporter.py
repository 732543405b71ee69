"""The judge that reports: what it answers, from which it learns, and what it is never told."""

import numpy as np
import pytest
import torch

from emotion import acoustics, checkpoint
from emotion.affect import quadrant
from emotion.errors import CheckpointError
from emotion.judge import Judge, Stretch
from emotion.models import reporter
from emotion.models.reporter import KIND, Config, Listener, Reporter

WIDTH = max(place.stop for place in acoustics.groups().values())


def mel(level, seconds=4, seed=0):
    """Rows of chance around a level, dB."""
    rng = np.random.default_rng(seed)
    return (level + rng.normal(0, 6, (50 * seconds, 96)) * np.linspace(0.2, 1, 96)).astype(np.float32)


def stretch(rows):
    return Stretch(rows, None, len(rows) / 50)


@pytest.fixture(scope="module")
def sounds():
    """A steady, a fluttering, a falling and a hollow sound: one of each quadrant."""
    rows = [mel(-40, seed=number) for number in range(4)]
    rows[1] *= np.where(np.arange(200) % 10 < 5, 1.0, 1.6)[:, None]
    rows[2] -= np.linspace(0, 30, 200)[:, None]
    rows[3][:, 20:60] -= 25
    return [row.astype(np.float32) for row in rows]


@pytest.fixture(scope="module")
def listener(sounds):
    model = Reporter(Config(4, WIDTH, 0.6 / WIDTH))
    described = torch.from_numpy(np.stack([acoustics.describe(rows) for rows in sounds]))
    model.ridge.fit(described, torch.eye(4), ridge=0.01)
    model.temperature.fill_(0.2)
    return Listener(model.eval(), "1" * 64)


def test_it_tells_the_quadrant_of_what_it_was_fitted_on(listener, sounds):
    found = listener.listen([stretch(rows) for rows in sounds])
    assert found[:, 2:].argmax(1).tolist() == [0, 1, 2, 3]


def test_valence_and_arousal_are_those_of_the_quadrants(listener, sounds):
    for row in listener.listen([stretch(rows) for rows in sounds]):
        q1, q2, q3, q4 = row[2:]
        assert row[2:].sum() == pytest.approx(1, abs=1e-5)
        assert row[:2] == pytest.approx([q1 + q4 - q2 - q3, q1 + q2 - q3 - q4], abs=1e-5)
        assert quadrant(*row[:2]) == f"q{row[2:].argmax() + 1}"


def test_an_answer_does_not_depend_on_what_else_is_asked(listener, sounds):
    together = listener.listen([stretch(rows) for rows in sounds])
    alone = listener.listen([stretch(sounds[2])])
    np.testing.assert_allclose(together[2], alone[0], atol=1e-5)


def test_it_hears_sound_alone_through_a_judge(listener, sounds):
    report = Judge(listener).hear_all([stretch(sounds[1])])[0]
    assert report.heard == "audio" and report.judge == "reporter" and report.whole.quadrant == "q2"


def test_weights_come_back_as_they_were_saved(listener, sounds, tmp_path):
    checkpoint.save_module(listener.model, tmp_path, kind=KIND, config={"model": vars(listener.model.config)})
    again = reporter.load(tmp_path)
    assert again.sha256 == checkpoint.file_sha256(tmp_path / checkpoint.WEIGHTS)
    asked = [stretch(rows) for rows in sounds]
    np.testing.assert_allclose(again.listen(asked), listener.listen(asked), atol=0.02)


def test_weights_of_another_shape_are_refused(listener, tmp_path):
    config = {**vars(listener.model.config), "n_points": 5}
    checkpoint.save_module(listener.model, tmp_path, kind=KIND, config={"model": config})
    with pytest.raises(CheckpointError, match="do not fit"):
        reporter.load(tmp_path)


def test_the_weights_that_ship_hear_noise_and_a_tone():
    shipped = reporter.load()
    tone = mel(-70)
    tone[:, 30] = -10
    found = shipped.listen([stretch(mel(-30)), stretch(tone)])
    assert np.isfinite(found).all() and np.abs(found[0] - found[1]).max() > 0.02
