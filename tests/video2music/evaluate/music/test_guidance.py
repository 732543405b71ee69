"""`evaluate guidance`: excerpts as clips, figures against independent oracles, and a whole run with tiny judges."""

import csv
import json

import numpy as np
import pytest
from scipy.stats import spearmanr
from typer.testing import CliRunner

import emotion.judge
from emotion.affect import EMOTIONS, QUADRANTS, VA_ANCHORS
from emotion.errors import DataError
from emotion.judge import Judge
from tests.emotion.plain_model import Plain
from tests.video2music.cli.test_evaluate import models  # noqa: F401
from tests.video2music.evaluate.songs import song, write_muvi_sync
from video2music.cli import app
from video2music.evaluate.music import guidance
from video2music.evaluate.music.guidance import JudgedPiece


def prediction(excerpt, request, seed, *, valence, arousal, system="steering", judge="adff"):
    quadrants = np.full(4, 0.1)
    quadrants[(0 if valence >= 0 else 1) if arousal >= 0 else (3 if valence >= 0 else 2)] = 0.7
    return JudgedPiece(system, excerpt, False, request, seed, judge, tuple(quadrants.tolist()), valence, arousal)


def pieces(place, excerpts=6, seeds=2):
    """A piece for every excerpt, request and seed, predicted at place(request, generator)."""
    rng = np.random.default_rng(0)
    return [
        prediction(f"s{number}", request, seed, **dict(zip(("valence", "arousal"), place(request, rng), strict=True)))
        for number in range(excerpts)
        for request in QUADRANTS
        for seed in range(seeds)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_rank_correlation_is_scipys_with_and_without_ties(seed):
    rng = np.random.default_rng(seed)
    one, other = rng.choice([-0.6, 0.6], 60), np.round(rng.normal(size=60), seed)
    assert guidance.spearman(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)


def test_rank_correlation_with_a_constant_is_no_number():
    assert np.isnan(guidance.spearman(np.ones(5), np.arange(5.0)))


def test_pieces_predicted_as_requested_have_the_highest_metrics():
    found = guidance.judge_summaries(pieces(lambda request, rng: VA_ANCHORS[request]), 2)
    for name in guidance.JUDGE_METRICS:
        assert found[name] == {"mean": 1.0, "low": 1.0, "high": 1.0, "seeds": [1.0, 1.0]}


def test_pieces_predicted_at_random_are_right_once_in_four_within_the_interval():
    found = guidance.judge_summaries(pieces(lambda request, rng: rng.uniform(-1, 1, 2).tolist(), excerpts=40), 2)
    assert found["quadrant"]["low"] < 0.25 < found["quadrant"]["high"]
    assert found["rho_valence"]["low"] < 0 < found["rho_valence"]["high"]
    assert found["quadrant"]["mean"] == pytest.approx(np.mean(found["quadrant"]["seeds"]))


def test_an_axis_that_alone_is_predicted_shows_in_its_own_correlation():
    def only_arousal(request, rng):
        return rng.uniform(-1, 1), VA_ANCHORS[request][1] * rng.uniform(0.5, 1)

    found = guidance.judge_summaries(pieces(only_arousal), 2)
    assert found["rho_arousal"]["mean"] > 0.8 and abs(found["rho_valence"]["mean"]) < 0.4
    assert 0.3 < found["quadrant"]["mean"] < 0.7


def test_a_segment_of_a_song_is_a_clip_of_its_rows():
    one = song(3, seconds=50)
    one.scene_offset[:] = np.arange(50) % 7
    observed = guidance.features_of(one, 10, 42)
    assert observed.duration_s == 32 and len(observed) == 32
    np.testing.assert_array_equal(observed.motion, one.motion[10:42])
    assert [cut.time_s for cut in observed.cuts] == [4.0, 11.0, 18.0, 25.0]
    weights = one.emotion[10:42] / one.emotion[10:42].sum(1, keepdims=True)
    expected = sum(weights[:, [n]] * np.array(VA_ANCHORS[name]) for n, name in enumerate(EMOTIONS))
    np.testing.assert_allclose(observed.affect, expected, atol=1e-6)


def test_excerpts_last_30_to_60_s_within_their_songs_and_never_change():
    songs = [song(number, seconds=20 + 15 * number) for number in range(8)]
    found = guidance.song_excerpts(songs, 5)
    assert [each.name for each in found] == [each.name for each in guidance.song_excerpts(songs, 5)]
    assert len({each.name for each in found}) == 5
    for each in found:
        name, span = each.name.split(":")
        start, end = map(int, span.split("-"))
        assert 30 <= end - start == len(each.features) <= 60 and end <= len(songs[int(name)])


def test_more_excerpts_than_songs_are_refused():
    with pytest.raises(DataError, match="only 2 songs"):
        guidance.song_excerpts([song(0, 40), song(1, 45), song(2, 20)], 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_muvi_sync(tmp_path_factory.mktemp("muvi_sync"))


@pytest.fixture
def listeners(monkeypatch):
    """Two tiny judges in place of those that ship, and fewer systems."""
    found = {"poolingvq": Judge(Plain()), "adff": Judge(Plain({"audio"}))}
    monkeypatch.setattr(emotion.judge, "load", lambda name="poolingvq": found[name])
    systems = {
        "guidance off": {"strength": 0.0, "candidates": 1},
        "steering": {"candidates": 1},
        "chosen": {"candidates": 2},
    }
    monkeypatch.setattr(guidance, "SYSTEMS", systems)
    return found


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", "guidance", *map(str, arguments)])


@pytest.mark.slow
def test_a_whole_run_writes_report_predictions_and_tables_and_goes_on_where_it_stopped(
    data,
    models,  # noqa: F811
    listeners,
    tmp_path,
):
    page = tmp_path / "page.md"
    page.write_text("<!-- evaluate guidance -->\n<!-- end evaluate guidance -->\n")
    arguments = ["--features", data, "--excerpts", 1, "--seeds", 1, "--keep", tmp_path / "kept"]
    done = run(*arguments, "--json", tmp_path / "one.json", "--predictions", tmp_path / "all.csv", "--into", page)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "one.json").read_text())
    assert report["task"] == "guidance" and report["excerpts"] == 1 and report["clips"] == 0
    assert set(report["rows"]) == set(guidance.SYSTEMS)
    for row in report["rows"].values():
        assert set(row) == set(guidance.METRICS)
    for counts in report["confusion"]["steering"].values():
        assert np.sum(counts, axis=1).tolist() == [1, 1, 1, 1]
    rows = list(csv.DictReader((tmp_path / "all.csv").open(newline="")))
    assert len(rows) == 3 * 4 * 2 and {row["judge"] for row in rows} == {"poolingvq", "adff"}
    assert "| chosen |" in page.read_text()
    heard_so_far = len(listeners["adff"].model.batches)
    assert heard_so_far >= 12
    again = run(*arguments, "--json", tmp_path / "two.json")
    assert again.exit_code == 0 and len(listeners["adff"].model.batches) == heard_so_far
    assert json.loads((tmp_path / "two.json").read_text()) == report


def test_pieces_are_judged_again_with_other_weights(data, models, listeners, tmp_path):  # noqa: F811
    excerpt = guidance.song_excerpts([song(1, 30)], 1)[0]
    options = guidance.Options(emotion="q1", strength=0.0, candidates=1)
    batches, counts = listeners["adff"].model.batches, []
    for weights in ({"adff": "a"}, {"adff": "a"}, {"adff": "b"}):
        guidance._cached(excerpt, options, tmp_path, weights)
        counts.append(len(batches))
    first, same, other = counts
    assert first == same and other == 2 * first


def test_missing_clips_are_refused_before_any_work(data, models, listeners, tmp_path):  # noqa: F811
    done = run("--features", data, "--excerpts", 1, "--clips", tmp_path / "none")
    assert done.exit_code == 1 and "no clips at" in done.stderr
