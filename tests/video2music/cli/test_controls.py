"""The options of a piece at work: tempo, metre, instruments, hits, length, locks and redraws."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.video2music.conftest import decoded_sound, draw_clip, picture_seconds
from video2music import Options, UserError, compose, pipeline
from video2music.arranging import midi
from video2music.composing import draft, manifest
from video2music.composing.composition import Composition
from video2music.errors import ManifestError, OptionError, StyleError
from video2music.mixing import mix
from video2music.values import Cut, VideoFeatures

PLAIN = Options(encoder="color", candidates=1)


def random_features(seconds=48.0, cuts=(11.0, 24.0, 33.0)):
    rows = int(seconds)
    rng = np.random.default_rng(0)
    emotion = rng.dirichlet(np.ones(6), rows).astype(np.float32)
    affect = rng.uniform(-0.5, 0.5, (rows, 2)).astype(np.float32)
    motion, offset = rng.gamma(2.0, 4.0, rows).astype(np.float32), np.arange(rows, dtype=np.float32) % 11
    return VideoFeatures(seconds, "color", emotion, motion, offset, affect, tuple(Cut(time_s, 20.0) for time_s in cuts))


FEATURES = random_features()


def written(locked=None, **options):
    return pipeline.compose_piece(FEATURES, replace(PLAIN, **options), locked=locked).composition


@pytest.fixture(scope="module")
def piece():
    return written()


def played(composition):
    """(track, start, end, pitch, velocity) of every note."""
    score = draft.arrange_score(composition)
    return {(t.name, n.start_s, n.end_s, n.pitch, n.velocity) for t in score.tracks for n in t.notes}


def test_a_requested_tempo_metre_and_hit_are_in_the_form():
    form = written(tempo=(96.0, 104.0), beats_per_bar=3, hits=(17.3,)).form
    assert all(96 <= tempo.bpm <= 104 for tempo in form.tempi)
    assert np.abs(form.bars_s - 17.3).min() < 0.001
    assert set(form.bar_beats[:-1].tolist()) <= {2, 3} and 3 in form.bar_beats


def test_more_intensity_is_denser_and_louder_and_leaves_the_chords_alone(piece):
    calm, wild = written(intensity=-0.8), written(intensity=0.8)
    assert calm.dynamics.density.mean() < piece.dynamics.density.mean() < wild.dynamics.density.mean()
    assert calm.dynamics.loudness.mean() < piece.dynamics.loudness.mean() < wild.dynamics.loudness.mean()
    assert calm.chords == wild.chords == piece.chords
    assert len(played(calm)) < len(played(wild))


def test_instruments_play_alone_or_keep_silent():
    everyone = {track.name for track in draft.arrange_score(written(style="strings")).tracks}
    name = sorted(everyone)[0]
    assert {
        track.name for track in draft.arrange_score(written(style="strings", without=(name,))).tracks
    } == everyone - {name}
    assert {track.name for track in draft.arrange_score(written(style="piano", only=("piano",))).tracks} == {"piano"}


def test_an_instrument_that_is_not_there_is_refused_before_the_clip_is_analysed(tmp_path, clip):
    for options in ({"only": ("kazoo",)}, {"without": ("kazoo",)}):
        with pytest.raises(StyleError, match="no instrument 'kazoo': it has"):
            compose(clip, tmp_path, replace(PLAIN, **options))
    assert list(tmp_path.iterdir()) == []


def test_a_section_redrawn_leaves_every_note_of_the_others_where_it_was(piece):
    number = 2
    again = draft.redraw_section(piece, number, FEATURES, PLAIN, seed=77)
    steps = piece.steps(number)
    start_s, end_s = piece.form.steps_s[steps.start], piece.form.step_ends_s[steps.stop - 1]
    before, after = played(piece), played(again)
    outside = {note for note in before if note[2] < start_s - 0.1 or note[1] > end_s + 0.1}
    assert outside and outside <= after
    inside = lambda notes: {note for note in notes if start_s + 0.1 < note[1] < end_s - 0.1}  # noqa: E731
    assert inside(before) != inside(after)
    assert again.form is piece.form and again.chords == piece.chords
    assert again.final_chords[: steps.start] == piece.chords[: steps.start]
    assert again.final_chords[steps.stop :] == piece.chords[steps.stop :]


def test_sections_may_be_redrawn_one_after_the_other_and_one_twice(piece):
    once = draft.redraw_section(piece, 1, FEATURES, PLAIN, seed=5)
    twice = draft.redraw_section(once, 3, FEATURES, PLAIN, seed=6)
    thrice = draft.redraw_section(twice, 1, FEATURES, PLAIN, seed=7)
    last = piece.steps(3)
    assert thrice.final_chords[last] == twice.final_chords[last]
    assert [redraw.section for redraw in thrice.redraws] == [1, 3, 1]
    end_s = piece.form.sections[0].end_s
    assert {n for n in played(thrice) if n[1] > end_s + 0.1} == {n for n in played(twice) if n[1] > end_s + 0.1}


def test_no_key_is_struck_twice_at_once_where_a_section_was_redrawn(piece):
    for track in draft.arrange_score(draft.redraw_section(piece, 2, FEATURES, PLAIN, seed=78)).tracks:
        for pitch in {note.pitch for note in track.notes}:
            notes = sorted(note for note in track.notes if note.pitch == pitch)
            assert all(one.end_s <= other.start_s + 1e-9 for one, other in pairwise(notes))


def test_a_piece_with_redraws_comes_back_from_its_manifest(piece):
    again = draft.redraw_section(replace(piece, beats_per_bar=4, without=()), 2, FEATURES, PLAIN, seed=3)
    read = Composition.from_json(json.loads(json.dumps(again.to_json())))
    assert played(read) == played(again) and read.final_chords == again.final_chords


@pytest.mark.parametrize("section", [0, -1, 99])
def test_a_section_that_is_not_there_is_refused(piece, section):
    with pytest.raises(OptionError, match="no section"):
        piece.steps(section)


def test_locked_chords_come_in_their_key_and_the_grid_is_another(piece):
    again = written(draft.LockedParts(piece, frozenset({"chords"})), seed=9, tempo=(118.0, 122.0))
    assert again.key == piece.key and not np.array_equal(again.form.steps_s, piece.form.steps_s)
    for time_s in np.arange(0.3, 44.0, 0.7):
        step = np.searchsorted(again.form.steps_s, time_s, side="right") - 1
        middle_s = (again.form.steps_s[step] + again.form.step_ends_s[step]) / 2
        assert again.chords[step] == piece.chords[np.searchsorted(piece.form.steps_s, middle_s, side="right") - 1]


def test_a_locked_form_stays_and_the_chords_are_new(piece):
    again = written(draft.LockedParts(piece, frozenset({"form"})), seed=9)
    assert again.form is piece.form and again.chords != piece.chords


def test_both_locked_give_the_same_chords_in_another_style(piece):
    again = written(draft.LockedParts(piece, frozenset(draft.LOCKS)), seed=9, style="strings", candidates=2)
    assert (again.chords, again.key) == (piece.chords, piece.key)
    assert again.form.steps_s.tolist() == piece.form.steps_s.tolist() and again.style != piece.style


def test_variants_are_different_pieces_in_folders_of_their_own(clip, tmp_path):
    result = compose(clip, tmp_path, replace(PLAIN, variants=3, seed=4))
    assert [made.video.parent.name for made in result.variants] == ["v1", "v2", "v3"]
    assert result.video == result.variants[0].video
    assert len({made.midi.read_bytes() for made in result.variants}) == 3
    alone = compose(clip, tmp_path / "alone", replace(PLAIN, seed=4))
    assert alone.midi.read_bytes() == result.midi.read_bytes()
    reported = json.loads(result.variants[1].manifest.read_text())
    again = compose(clip, tmp_path / "again", replace(PLAIN, seed=reported["options"]["seed"]))
    assert again.midi.read_bytes() == result.variants[1].midi.read_bytes()
    with pytest.raises(OptionError, match="v1 is there already"):
        compose(clip, tmp_path, replace(PLAIN, variants=2))


def test_a_preview_is_the_beginning_picture_and_music_alike(tmp_path):
    long = draw_clip(tmp_path / "long.mp4", seconds=9.0)
    result = compose(long, tmp_path / "out", replace(PLAIN, preview_s=4.0))
    assert picture_seconds(result.video) == pytest.approx(4.0, abs=0.1)
    sound, rate = decoded_sound(result.video)
    assert len(sound) / rate == pytest.approx(4.0, abs=0.03) and result.duration_s == 4.0


def test_a_preview_longer_than_the_clip_is_the_clip(clip, tmp_path):
    result = compose(clip, tmp_path, replace(PLAIN, preview_s=100.0))
    assert result.duration_s == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("audio_format", ["wav", "flac", "m4a"])
def test_music_and_stems_come_as_files(clip, tmp_path, audio_format):
    result = compose(clip, tmp_path, replace(PLAIN, audio_format=audio_format, stems=True, style="strings"))
    assert result.audio.suffix == f".{audio_format}" and result.stems is not None
    sound, rate = decoded_sound(result.audio)
    assert len(sound) / rate == pytest.approx(result.duration_s, abs=0.02)
    score = midi.read(result.midi)
    assert {path.stem for path in result.stems.iterdir()} >= {track.name for track in score.tracks if track.notes}
    listed = set(json.loads(result.manifest.read_text())["files"])
    there = {str(path.relative_to(result.video.parent)) for path in result.video.parent.rglob("*") if path.is_file()}
    assert listed == there
    compose(clip, tmp_path, replace(PLAIN), overwrite=True)
    assert not result.stems.exists()


def test_a_replay_redraws_one_section_or_all_but_its_locks(clip, tmp_path):
    first = compose(clip, tmp_path / "first", replace(PLAIN, seed=2))
    replay = manifest.read(first.manifest)
    same = compose(clip, tmp_path / "same", replay=replay)
    assert same.midi.read_bytes() == first.midi.read_bytes()
    redrawn = compose(clip, tmp_path / "redrawn", replay=replace(replay, redraw=1))
    assert redrawn.midi.read_bytes() != first.midi.read_bytes()
    once_more = compose(clip, tmp_path / "more", replay=replace(manifest.read(redrawn.manifest), redraw=1))
    assert once_more.midi.read_bytes() != redrawn.midi.read_bytes()
    locked = compose(
        clip, tmp_path / "locked", replace(replay.options, seed=8), replay=replace(replay, locks=frozenset({"form"}))
    )
    reported, was = (json.loads(made.manifest.read_text()) for made in (locked, first))
    assert reported["form"]["beats_s"] == was["form"]["beats_s"] and reported["seed"] == 8


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"locks": frozenset({"tune"})}, "there is no part 'tune' to lock"),
        ({"locks": frozenset({"form"}), "redraw": 1}, "not both"),
        ({"redraw": 40}, "no section 40"),
    ],
)
def test_what_cannot_stay_or_be_redrawn_is_reported(clip, tmp_path, change, sentence):
    replay = manifest.read(compose(clip, tmp_path, PLAIN).manifest)
    with pytest.raises(OptionError, match=sentence):
        replace(replay, **change)


@pytest.mark.parametrize(
    "options",
    [
        {"tempo": (90.0, 80.0)},
        {"tempo": (5.0, 80.0)},
        {"tempo": (90.0,)},
        {"tempo": 90.0},
        {"hits": 5.0},
        {"hits": ("a",)},
        {"only": "bass"},
        {"tempo": (float("nan"), 80.0)},
        {"beats_per_bar": 1},
        {"beats_per_bar": 3.5},
        {"only": ("a",), "without": ("b",)},
        {"intensity": 2.0},
        {"hits": (-1.0,)},
        {"hits": (float("nan"),)},
        {"source": "loud"},
        {"audio_format": "mp3"},
        {"preview_s": 0.0},
        {"variants": 0},
    ],
)
def test_options_beyond_reason_are_refused_in_a_sentence(options):
    with pytest.raises(UserError):
        Options(**options)


@pytest.mark.parametrize(
    ("lock", "options"),
    [
        ("form", {"tempo": (150.0, 150.0)}),
        ("form", {"beats_per_bar": 3}),
        ("form", {"hits": (2.0,)}),
        ("form", {"preview_s": 3.0}),
        ("chords", {"key": "D minor"}),
        ("chords", {"primer": "Am F"}),
    ],
)
def test_an_option_that_a_lock_fixes_is_refused(clip, tmp_path, lock, options):
    replay = replace(manifest.read(compose(clip, tmp_path / "first", PLAIN).manifest), locks=frozenset({lock}))
    with pytest.raises(OptionError, match=f"locked {lock} keep"):
        compose(clip, tmp_path / "second", replace(replay.options, **options), replay=replay)
    assert not (tmp_path / "second").exists()


def test_a_missed_hit_is_reported_and_one_beyond_the_end_refused(clip, tmp_path, caplog):
    result = compose(clip, tmp_path / "a", replace(PLAIN, hits=(3.0, 3.4)))
    reported = json.loads(result.manifest.read_text())["form"]["hit_errors_ms"]
    assert len(reported) == 2 and max(map(abs, reported)) > 80
    assert "no downbeat meets the hit" in caplog.text
    with pytest.raises(OptionError, match="beyond the end"):
        compose(clip, tmp_path / "b", replace(PLAIN, hits=(999.0,)))


def test_a_preview_is_the_same_whether_the_whole_was_analysed_before_or_not(tmp_path):
    long = draw_clip(tmp_path / "long.mp4", seconds=9.0)
    fresh = compose(long, tmp_path / "fresh", replace(PLAIN, preview_s=4.3))
    compose(long, tmp_path / "whole", PLAIN)
    after = compose(long, tmp_path / "after", replace(PLAIN, preview_s=4.3))
    assert after.midi.read_bytes() == fresh.midi.read_bytes()


@pytest.mark.parametrize("version", [2, 99, None])
def test_a_manifest_of_another_version_is_refused(clip, tmp_path, version):
    result = compose(clip, tmp_path, PLAIN)
    other = json.loads(result.manifest.read_text()) | {"version": version}
    result.manifest.write_text(json.dumps(other))
    with pytest.raises(ManifestError, match=f"manifest of version {version}, but this program reads version 3"):
        manifest.read(result.manifest)


def test_an_instrument_may_be_called_source(tmp_path):
    silent = (np.zeros((44100, 2), np.float32) for _ in range(1))
    mix.mix({"source": silent, "Source": iter(())}, tmp_path / "a.wav", duration_s=1.0, stems_folder=tmp_path / "stems")
    assert {path.name for path in (tmp_path / "stems").iterdir()} == {"source.wav", "Source 2.wav"}
