"""The report on alignment: figures against plain loops, the row of chance, failures, MIDI, and the command itself."""

import csv
import json
import math
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import emotion.judge
from emotion.alignment import align
from emotion.judge import Judge, windows
from emotion.values import AffectCurve, EmotionReport, Prediction
from tests.emotion.plain_model import Plain, midi_file
from tests.emotion.waves import sine, wav
from tests.video2music.conftest import draw_clip
from video2music import Options, compose, pipeline
from video2music.cli import app
from video2music.evaluate.alignment.evaluation import CHANCE, METRICS, OWN, AlignmentEvaluation, alignment_tables, build
from video2music.evaluate.alignment.pairs import FailedPair, JudgedPair, VideoMusicPair


def drawn(seed: int, seconds: int) -> JudgedPair:
    """A pair whose target wanders and whose music is predicted at random points."""
    rng = np.random.default_rng(seed)
    target = AffectCurve(*np.clip(np.cumsum(rng.normal(0, 0.15, (2, seconds)), axis=1), -1, 1), "picture")
    predictions = []
    for span in windows(float(seconds)):
        shares = rng.dirichlet(np.ones(4))
        predictions.append(Prediction(*span, *rng.uniform(-1, 1, 2).tolist(), tuple(shares.tolist())))
    whole = Prediction(0.0, float(seconds), 0.1, -0.2, tuple(predictions[0].quadrants))
    report = EmotionReport(whole, tuple(predictions), "audio", "plain", "0" * 64)
    return JudgedPair(
        f"{seed}.mp4", VideoMusicPair(Path(f"{seed}.mp4")), Path(f"{seed}.wav"), report, target, "color", ("a note",)
    )


def built(judged, failed=()):
    return build(judged, failed, judge="plain", sha256="0" * 64)


@pytest.fixture(scope="module")
def several():
    return [drawn(seed, seconds) for seed, seconds in enumerate((40, 30, 52, 9))]


@pytest.fixture(scope="module")
def report(several):
    return built(several)


def finite_mean(values):
    kept = [value for value in values if not math.isnan(value)]
    return sum(kept) / len(kept) if kept else math.nan


def test_the_row_of_the_own_picture_is_the_mean_of_the_videos_that_have_a_figure(several, report):
    for name in METRICS:
        values = [align(each.report, each.target).metrics()[name] for each in several]
        known = sum(not math.isnan(value) for value in values)
        if known > 2:
            figure = report["rows"][OWN][name]
            assert figure["mean"] == pytest.approx(finite_mean(values)) and figure["videos"] == known
            assert figure["low"] <= figure["mean"] <= figure["high"] and figure["seeds"] == [figure["mean"]]
        else:
            assert name not in report["rows"][OWN]


def test_chance_is_every_music_against_every_other_target(several, report):
    for name in ("match", "distance", "quadrant", "rmse_valence", "bias_arousal", "ccc_arousal"):
        means = [
            finite_mean([align(each.report, other.target).metrics()[name] for other in several if other is not each])
            for each in several
        ]
        assert report["rows"][CHANCE][name]["mean"] == pytest.approx(finite_mean(means))


def pooled_by_repeating(blocks):
    """CCC with every video made equally long by repeating its windows: Lin's formula on the long rows."""
    length = math.lcm(*(len(prediction) for prediction, _ in blocks))
    prediction, requested = (
        np.concatenate([np.repeat(block[side], length // len(block[side]), axis=0) for block in blocks])
        for side in (0, 1)
    )
    return [
        2 * np.cov(h, w, bias=True)[0, 1] / (h.var() + w.var() + (h.mean() - w.mean()) ** 2)
        for h, w in zip(prediction.T, requested.T, strict=True)
    ]


def test_ccc_over_all_videos_counts_every_video_alike(several, report):
    own = pooled_by_repeating([each.window_points() for each in several])
    for axis, value in zip(("valence", "arousal"), own, strict=True):
        figure = report["rows"][OWN][f"ccc_{axis}_pooled"]
        assert figure["mean"] == pytest.approx(value) and figure["low"] < figure["high"]


def test_gains_are_for_the_own_picture_when_above_0(several, report):
    own, chance, gains = report["rows"][OWN], report["rows"][CHANCE], report["differences"][OWN]
    assert gains["match"]["mean"] == pytest.approx(own["match"]["mean"] - chance["match"]["mean"])
    assert gains["distance"]["mean"] == pytest.approx(chance["distance"]["mean"] - own["distance"]["mean"])


def test_confusions_count_every_window_and_every_video_once(several, report):
    counts = np.array(report["confusion"]["windows"])
    expected = np.zeros((4, 5), int)
    for each in several:
        for window, (valence, arousal) in zip(each.report.windows, each.window_points()[1], strict=True):
            requested = (0 if valence >= 0 else 1) if arousal >= 0 else (3 if valence >= 0 else 2)
            expected[requested, int(np.argmax(window.quadrants))] += 1
    assert counts.tolist() == expected.tolist()
    assert np.sum(report["confusion"]["videos"]) == len(several)


def test_the_report_has_the_standard_form_and_is_plain_json(report):
    assert list(report)[:6] == ["task", "data", "split", "seeds", "commit", "rows"]
    assert (report["task"], report["data"]) == ("alignment", "4 videos")
    assert report["judge"] == {"name": "plain", "sha256": "0" * 64, "composes": False}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_one_video_has_no_row_of_chance_nor_a_made_up_interval():
    found = built([drawn(1, 40)])
    assert list(found["rows"]) == [OWN] and found["differences"] == {}
    figure = found["rows"][OWN]["match"]
    assert figure["low"] == figure["high"] == pytest.approx(figure["mean"])
    assert "ccc_valence_pooled" not in found["rows"][OWN]


def test_wishes_for_one_place_have_no_chance():
    wished = [drawn(seed, seconds) for seed, seconds in ((1, 20), (2, 30))]
    same = [
        JudgedPair(each.name, each.pair, each.music, each.report,
              AffectCurve(np.full(len(each.target), 0.6), np.full(len(each.target), 0.6), "q1"), "color", ())
        for each in wished
    ]  # fmt: skip
    found = built(same)
    assert CHANCE not in found["rows"] and "No row of chance" in alignment_tables(found)


def test_two_musics_of_one_video_are_no_chance_for_each_other():
    one, other, third = drawn(1, 30), drawn(2, 30), drawn(3, 30)
    twice = JudgedPair(
        "b", VideoMusicPair(one.pair.video, Path("b.wav")), Path("b.wav"), other.report, other.target, "color", ()
    )
    found = built([one, twice, third])
    assert found["data"] == "3 pairs of 2 videos"
    expected = [
        align(one.report, third.target).match.score,
        align(twice.report, third.target).match.score,
        (align(third.report, one.target).match.score + align(third.report, twice.target).match.score) / 2,
    ]
    assert found["rows"][CHANCE]["match"]["mean"] == pytest.approx(sum(expected) / 3)


def test_the_table_has_a_row_for_each_and_empty_cells_for_what_there_is_not(several, report):
    heads, *rows = AlignmentEvaluation(report, tuple(several), (FailedPair("bad.mp4", "bad.mp4 is empty"),)).table
    told = [dict(zip(heads, row, strict=True)) for row in rows]
    assert [row["video"] for row in told] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "bad.mp4"]
    assert told[3]["ccc_valence"] == "" and told[0]["notes"] == "a note" and told[4]["error"] == "bad.mp4 is empty"
    assert told[0]["match"] == pytest.approx(several[0].alignment.match.score, abs=1e-6)


def test_the_judge_that_chose_says_so(several):
    found = build(several, (), judge=pipeline.SELECTING_JUDGE, sha256="0" * 64)
    assert "inflates" in alignment_tables(found) and "inflates" not in alignment_tables(built(several))


# The command, with a listener of the tests'.


@pytest.fixture
def listening(monkeypatch):
    """A judge that takes audio alone, whatever its name."""
    listener = Plain(modalities=("audio",))
    monkeypatch.setattr(emotion.judge, "load", lambda name="": Judge(listener))
    return listener


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", "alignment", *map(str, arguments)])


def sound(path, *, seconds=30.0, hz=440.0):
    return wav(path, sine(seconds, 24_000, hz) * np.linspace(0.05, 1, round(seconds * 24_000)), 24_000)


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory):
    """Videos to copy: drawing them takes longer than what they are used for."""
    folder = tmp_path_factory.mktemp("drawn")
    return [
        draw_clip(folder / f"{name}.mp4", seconds=seconds) for name, seconds in (("a", 30), ("b", 26), ("silent", 6))
    ]


@pytest.fixture
def folder(drawn_once, tmp_path):
    """Three videos of which two have music beside them, and a file that is none."""
    for video in drawn_once:
        shutil.copy(video, tmp_path)
    sound(tmp_path / "a.wav")
    sound(tmp_path / "b.wav", hz=2000.0, seconds=26.0)
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    return tmp_path


def test_a_folder_is_judged_whatever_fails_in_it(folder, listening):
    out = folder / "out"
    done = run(folder, "--encoder", "color", "--csv", out / "a.csv", "--json", out / "a.json", "--html", out / "a.html")
    assert done.exit_code == 1, done.output
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and "broken.mp4" in errors[0] and "silent.mp4 has no sound" in errors[1]
    assert "| a.mp4 |" in done.stdout and CHANCE in done.stdout
    told = json.loads((out / "a.json").read_text())
    assert [video["name"] for video in told["videos"]] == ["a.mp4", "b.mp4"]
    assert [Path(one["video"]).name for one in told["failed"]] == ["broken.mp4", "silent.mp4"]
    with (out / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["error"]) for row in rows] == [False, False, True, True]
    assert {Path(row["music"]).name for row in rows[:2]} == {"a.wav", "b.wav"}
    assert float(rows[0]["match"]) == pytest.approx(told["videos"][0]["match"])
    assert "a.mp4" in (out / "a.html").read_text()


def test_the_judge_s_prediction_is_compared_with_the_target_of_the_picture(folder, listening):
    from video2music import features
    from video2music.composing.target import video_target

    done = run(folder / "a.mp4", "--music", folder / "b.wav", "--encoder", "color", "--json", folder / "a.json")
    assert done.exit_code == 0, done.output
    target = video_target(features.extract(folder / "a.mp4", encoder="color"))
    expected = align(Judge(Plain(modalities=("audio",))).predict(folder / "b.wav"), target).metrics()
    (video,) = json.loads((folder / "a.json").read_text())["videos"]
    for name, value in expected.items():
        assert video[name] == (None if math.isnan(value) else pytest.approx(value, abs=1e-5))
    assert "26 s and the picture 30 s" in " ".join(video["notes"])


def test_midi_is_played_for_a_judge_that_takes_sound_alone(folder, listening):
    song = midi_file(folder / "song.mid", *[(start / 2, start / 2 + 0.4, 60 + start % 12) for start in range(40)])
    done = run(folder / "a.mp4", "--music", song, "--encoder", "color", "--json", "-")
    assert done.exit_code == 0, done.output
    (video,) = json.loads(done.stdout)["videos"]
    assert video["music_s"] == pytest.approx(21.9, abs=0.1) and any(
        "was played with" in note for note in video["notes"]
    )


def test_midi_goes_to_a_judge_that_takes_it(folder, monkeypatch):
    listener = Plain(modalities=("MIDI",))
    monkeypatch.setattr(emotion.judge, "load", lambda name="": Judge(listener))
    song = midi_file(folder / "song.mid", (0.0, 9.0, 60), (9.0, 12.0, 70))
    done = run(folder / "a.mp4", "--music", song, "--encoder", "color", "--json", "-")
    assert done.exit_code == 0, done.output
    assert all(segment.notes is not None for batch in listener.batches for segment in batch)


def test_music_that_is_silent_is_reported_and_not_counted(folder, listening):
    wav(folder / "a.wav", np.zeros(24_000 * 8), 24_000)
    done = run(folder / "a.mp4", folder / "b.mp4", "--music", folder / "a.wav", "--encoder", "color")
    assert done.exit_code == 1 and "--music" in done.stderr
    done = run(folder / "a.mp4", "--music", folder / "a.wav", "--encoder", "color", "--json", "-")
    assert done.exit_code == 1 and "no sound that can be judged" in done.stderr
    assert json.loads(done.stdout)["videos"] == []


def test_a_midi_file_without_notes_is_reported(folder, listening):
    done = run(folder / "a.mp4", "--music", midi_file(folder / "empty.mid"), "--encoder", "color")
    assert done.exit_code == 1 and "empty.mid has no notes" in done.stderr


def test_beside_our_manifest_the_music_it_names_is_compared_with_its_target(clip, tmp_path, listening):
    scored = compose(clip, tmp_path, Options(encoder="color", candidates=1, emotion="q2"))
    done = run(tmp_path, "--json", "-")
    assert done.exit_code == 0, done.output
    (video,) = json.loads(done.stdout)["videos"]
    assert video["music"] == str(scored.audio) and video["target"] == "q2"
    assert (video["target_valence"], video["target_arousal"]) == (pytest.approx(-0.6), pytest.approx(0.6))


def test_without_its_manifest_a_scored_video_is_one_of_many(clip, tmp_path, listening):
    scored = compose(clip, tmp_path, Options(encoder="color", candidates=1, emotion="q2"))
    scored.manifest.write_text("{}")
    done = run(scored.video, "--encoder", "color", "--json", "-")
    (video,) = json.loads(done.stdout)["videos"]
    assert video["music"] == str(scored.video) and video["target"] == "picture"
    assert any("no manifest" in note for note in video["notes"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.mp4", "--judge", "nobody"], "unknown judge 'nobody'"),
        (["a.mp4", "--encoder", "nothing"], "nothing"),
        (["a.mp4", "b.mp4", "--music", "a.wav"], "--music"),
        (["a.mp4"], "a.mp4"),
    ],
)
def test_what_cannot_be_granted_is_one_sentence(arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    sentences = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.exit_code == 1 and len(sentences) == 1 and told in sentences[0]


def test_help_says_how_pairs_are_named():
    text = " ".join(run("--help").stdout.replace("│", " ").split())
    for words in ("video,music", "--music", "clip.wav", "manifest", "chance"):
        assert words in text


@pytest.mark.slow
def test_no_file_of_the_edge_clips_stops_the_others(shared, tmp_path):
    clips = shared / "clips/edge"
    done = run(clips, "--encoder", "color", "--json", tmp_path / "a.json", "--html", tmp_path / "a.html")
    told = json.loads((tmp_path / "a.json").read_text())
    assert done.exit_code == 1 and len(told["videos"]) >= 2
    assert len(told["videos"]) + len(told["failed"]) == len(list(clips.iterdir()))
    assert not [one for one in told["failed"] if "unforeseen" in one["error"]]


def test_the_judge_by_default_is_the_one_that_reports(folder, monkeypatch):
    segments = []
    monkeypatch.setattr(
        emotion.judge, "load", lambda name: segments.append(name) or Judge(Plain(modalities=("audio",)))
    )
    run(folder / "a.mp4", "--music", folder / "a.wav", "--encoder", "color")
    run(folder / "a.mp4", "--music", folder / "a.wav", "--encoder", "color", "--judge", pipeline.SELECTING_JUDGE)
    assert segments == [pipeline.REPORTING_JUDGE, pipeline.SELECTING_JUDGE] and len(set(segments)) == 2


def test_bounds_hold_for_any_pairs_of_lengths():
    for one, other in product((1, 8, 41), repeat=2):
        found = built([drawn(one, one), drawn(other + 100, other)])
        assert 0 <= found["rows"][OWN]["match"]["mean"] <= 1
        assert 0 <= found["rows"][CHANCE]["quadrant"]["mean"] <= 1
