"""From a clip to a scored clip, with the shipped weights."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise

import mido
import numpy as np
import pretty_midi
import pytest

from emotion.errors import CheckpointError
from tests.video2music.conftest import decoded_sound, picture_packets
from tests.video2music.listening import Reporter, RuleJudge
from video2music import Options, UserError, compose, styles
from video2music.chords import Chord
from video2music.composing import manifest
from video2music.errors import ManifestError, OptionError
from video2music.model.conditioning import ALLOWED
from video2music.pipeline import STAGES

COLOR = Options(encoder="color", candidates=1)


@pytest.fixture(scope="module")
def scored(clip, tmp_path_factory):
    return compose(clip, tmp_path_factory.mktemp("scored"), COLOR)


def test_the_scored_clip_has_the_picture_of_its_source_and_sound_as_long(clip, scored):
    assert picture_packets(scored.video) == picture_packets(clip)
    sound, rate = decoded_sound(scored.video)
    assert len(sound) / rate == pytest.approx(6.0, abs=0.05)
    assert np.sqrt((sound**2).mean()) > 0.003 and np.abs(sound).max() < 1


def test_the_files_have_their_names(scored):
    folder, stem = scored.video.parent, "three scenes"
    suffixes = ("scored.mp4", "mid", "wav", "chords.lab", "chords.txt", "musicxml", "json")
    names = {f"{stem}.{suffix}" for suffix in suffixes}
    assert {path.name for path in folder.iterdir()} == names
    assert folder.name == stem


def test_the_manifest_holds_how_the_piece_was_made(scored):
    data = json.loads(scored.manifest.read_text())
    assert data["version"] == 3 and data["seed"] == 0 and data["encoder"] == "color"
    assert len(data["chords"]) == len(data["form"]["steps_s"]) == len(data["dynamics"]["density"])
    assert set(data["weights"]) == {"color", "amt", "regressor", "accompaniment"}
    assert all(len(sha) == 64 for sha in data["weights"].values())
    assert set(data["seconds"]) <= set(STAGES) and {"extract", "chords", "render"} <= set(data["seconds"])
    assert len(data["target"]["valence"]) == 6
    assert set(data["files"]) == {path.name for path in scored.manifest.parent.iterdir()}


def test_no_end_or_pad_or_silence_is_among_the_chords(scored):
    chords = [Chord.parse(name) for name in json.loads(scored.manifest.read_text())["chords"]]
    assert all(chord.root is not None for chord in chords)


def test_the_chord_file_covers_the_piece_in_the_sounding_key(scored):
    data = json.loads(scored.manifest.read_text())
    rows = [line.split() for line in scored.chords.read_text().splitlines()]
    assert len(rows) == len(data["chords"])
    assert all(one[1] == other[0] for one, other in pairwise(rows))
    pitches = {
        note.pitch % 12 for track in pretty_midi.PrettyMIDI(str(scored.midi)).instruments for note in track.notes
    }
    last = Chord.parse(rows[-1][2])
    assert set(last.pitch_classes) <= pitches
    assert str(last) == data["key"].replace(" major", "").replace(" minor", ":min")


def test_the_midi_marks_cuts_and_key(scored):
    tracks = mido.MidiFile(scored.midi).tracks
    kinds = [message.type for track in tracks for message in track]
    assert {"set_tempo", "key_signature", "time_signature", "marker"} <= set(kinds)
    assert sum(message.type == "marker" and "cut" in message.text for track in tracks for message in track) == 2


def test_one_seed_gives_the_same_bytes_and_another_does_not(clip, scored, tmp_path):
    again = compose(clip, tmp_path / "again", COLOR)
    other = compose(clip, tmp_path / "other", Options(encoder="color", candidates=1, seed=1))
    assert again.midi.read_bytes() == scored.midi.read_bytes()
    assert other.midi.read_bytes() != scored.midi.read_bytes()


def test_a_manifest_plays_the_same_piece_again(clip, scored, tmp_path):
    again = compose(clip, tmp_path, replay=manifest.read(scored.manifest))
    assert again.midi.read_bytes() == scored.midi.read_bytes()


def test_a_piece_in_a_style_of_ones_own_is_played_again_whatever_became_of_the_file(clip, tmp_path):
    style = tmp_path / "mine.toml"
    style.write_text(styles.read("strings"))
    first = compose(clip, tmp_path / "first", Options(encoder="color", candidates=1, style=str(style)))
    style.unlink()
    again = compose(clip, tmp_path / "again", replay=manifest.read(first.manifest))
    assert again.midi.read_bytes() == first.midi.read_bytes()


def test_the_weights_in_a_replays_manifest_are_those_that_composed(clip, scored, tmp_path):
    data = json.loads(scored.manifest.read_text())
    data["weights"]["amt"] = "0" * 64
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(data))
    again = compose(clip, tmp_path / "again", replay=manifest.read(changed))
    assert json.loads(again.manifest.read_text())["weights"]["amt"] == "0" * 64


@pytest.mark.parametrize("options", [{"encoder": "eyes"}, {"curve": "nowhere.csv"}, {"style": "polka"}])
def test_bad_options_are_refused_before_features_are_extracted(clip, tmp_path, options):
    stages = []
    with pytest.raises(UserError):
        compose(clip, tmp_path, Options(**options), progress=lambda stage, fraction: stages.append(stage))
    assert not stages


def test_a_broken_manifest_is_refused_in_a_sentence(scored, tmp_path):
    whole = json.loads(scored.manifest.read_text())
    for name, damage in {"dynamics": {"density": [1]}, "chords": ["X"], "form": {}, "options": {"seed": 0.5}}.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(whole | {name: damage}))
        with pytest.raises(ManifestError):
            manifest.read(path)


def test_a_manifest_of_another_clip_is_refused(scored, tmp_path):
    with pytest.raises(ManifestError, match="not the clip of the manifest"):
        compose(scored.video, tmp_path, replay=manifest.read(scored.manifest))


def test_sad_and_exciting_differ_in_chords_density_and_touch(clip, tmp_path):
    sad, exciting = (
        _music_statistics(compose(clip, tmp_path / name, Options(encoder="color", candidates=1, emotion=name)))
        for name in ("sad", "exciting")
    )
    assert sad["sad chords"] > exciting["sad chords"] + 0.3
    assert exciting["notes a second"] > 1.2 * sad["notes a second"]
    assert exciting["velocity"] > sad["velocity"] + 8


def _music_statistics(result):
    notes = [note for track in pretty_midi.PrettyMIDI(str(result.midi)).instruments for note in track.notes]
    chords = [Chord.parse(line.split()[2]) for line in result.chords.read_text().splitlines()]
    return {
        "sad chords": np.mean([chord.quality in ALLOWED["sad"] for chord in chords]),
        "notes a second": len(notes) / result.duration_s,
        "velocity": np.mean([note.velocity for note in notes]),
    }


def test_the_key_and_the_primer_are_those_requested(clip, tmp_path):
    options = Options(encoder="color", candidates=1, key="D minor", primer="Dm Bb")
    result = compose(clip, tmp_path, options)
    assert json.loads(result.manifest.read_text())["key"] == "D minor"
    labels = [line.split()[2] for line in result.chords.read_text().splitlines()]
    assert labels[:2] == ["D:min", "Bb"] and labels[-1] == "D:min"


def test_a_primer_longer_than_the_clip_fills_it(clip, tmp_path, caplog):
    result = compose(clip, tmp_path, Options(encoder="color", candidates=1, key="C", primer="C " * 40))
    assert {line.split()[2] for line in result.chords.read_text().splitlines()} == {"C"}
    assert "room for" in caplog.text


SEARCHED = Options(encoder="color", emotion="q1", candidates=5, seed=2)


@pytest.fixture(scope="module")
def searched(clip, tmp_path_factory):
    reporter = Reporter()
    result = compose(clip, tmp_path_factory.mktemp("searched"), SEARCHED, judge=RuleJudge(), reporter=reporter)
    return result, reporter


def test_the_manifest_keeps_every_candidates_scores_and_who_judged(searched):
    data = json.loads(searched[0].manifest.read_text())["search"]
    assert data["judge"]["name"] == "rules" and len(data["candidates"]) == 5
    whole = [row["match"]["score"] for row in data["candidates"]]
    assert data["selected"] == max(range(5), key=lambda place: whole[place])


def test_a_searched_piece_is_played_again_without_search(clip, searched, tmp_path):
    again = compose(clip, tmp_path, replay=manifest.read(searched[0].manifest), reporter=Reporter())
    assert again.midi.read_bytes() == searched[0].midi.read_bytes()
    assert json.loads(again.manifest.read_text())["search"] is None


def test_one_candidate_is_the_first_of_many(clip, searched, tmp_path):
    judge = RuleJudge()
    judge.place = lambda notes, duration_s: (0.0, 0.0)  # all are alike: the first is kept
    many = compose(clip, tmp_path / "many", SEARCHED, judge=judge, reporter=Reporter())
    one = compose(clip, tmp_path / "one", replace(SEARCHED, candidates=1), judge=RuleJudge(), reporter=Reporter())
    assert one.midi.read_bytes() == many.midi.read_bytes()
    assert json.loads(one.manifest.read_text())["search"] is None


def test_the_report_is_of_the_finished_sound_by_the_judge_that_did_not_choose(searched):
    result, reporter = searched
    assert reporter.heard == [result.audio.name]
    assert result.report.judge == "loudness"
    assert result.report.whole.end_s == pytest.approx(6.0, abs=0.01)
    data = json.loads(result.manifest.read_text())["report"]
    assert data["judge"] == "loudness" and data["whole"]["arousal"] == result.report.whole.arousal


def test_without_the_judges_weights_one_candidate_is_made_with_a_warning(clip, tmp_path, monkeypatch, caplog):
    def missing(name):
        raise CheckpointError(f"no weights of {name}")

    monkeypatch.setattr("emotion.judge.load", missing)
    result = compose(clip, tmp_path / "eight", Options(encoder="color"))
    assert result.report is None and json.loads(result.manifest.read_text())["search"] is None
    assert "no weights of poolingvq" in caplog.text and "no weights of adff" in caplog.text
    assert result.midi.read_bytes() == compose(clip, tmp_path / "one", COLOR).midi.read_bytes()


@pytest.mark.parametrize("candidates", [0, 65, 1.5])
def test_a_number_of_candidates_that_cannot_be_is_refused(candidates):
    with pytest.raises(OptionError, match="candidates"):
        Options(candidates=candidates)


def test_without_strength_an_emotion_changes_neither_tempo_nor_playing(clip, tmp_path):
    made = [
        json.loads(compose(clip, tmp_path / name, replace(COLOR, emotion=name, strength=0)).manifest.read_text())
        for name in ("q2", "q3")
    ]
    assert made[0]["form"] == made[1]["form"] and (made[0]["seed"], made[0]["guidance"]) == (0, [0, 0])


def test_progress_names_every_stage_in_order(clip, tmp_path):
    calls = []
    compose(
        clip,
        tmp_path,
        SEARCHED,
        judge=RuleJudge(),
        reporter=Reporter(),
        progress=lambda stage, fraction: calls.append((stage, fraction)),
    )
    assert list(dict.fromkeys(stage for stage, _ in calls)) == list(STAGES)
    assert all(0 <= fraction <= 1 for _, fraction in calls)


def test_a_clip_finds_its_own_folder_again_and_another_of_its_name_gets_another(clip, tmp_path):
    namesake = tmp_path / "elsewhere" / clip.name
    namesake.parent.mkdir()
    shutil.copy(clip, namesake)
    first = compose(clip, tmp_path / "out", COLOR)
    again = compose(clip, tmp_path / "out", COLOR, overwrite=True)
    other = compose(namesake, tmp_path / "out", COLOR, overwrite=True)
    assert again.video == first.video
    assert other.video.parent.name.startswith("three scenes-") and first.video.is_file()
    assert compose(namesake, tmp_path / "out", COLOR, overwrite=True).video == other.video


def test_a_finished_folder_is_not_replaced_unasked(clip, scored):
    before = {path.name: path.read_bytes() for path in scored.video.parent.iterdir()}
    with pytest.raises(OptionError, match="--overwrite"):
        compose(clip, scored.video.parent.parent, COLOR)
    assert {path.name: path.read_bytes() for path in scored.video.parent.iterdir()} == before
