"""What every reader of labelled music holds to, on tiny copies of the sets as their authors give them out."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotion.data import cards, pieces, recordings
from emotion.data.pieces import assert_disjoint
from emotion.data.recordings import even_folds
from emotion.errors import DataError
from tests.emotion.data import samples


@dataclass(frozen=True)
class Reader:
    """A reader, its sample, the names in the sample, and its files of which one missing must be reported."""

    load: Callable[[Path], Any]
    sample: Callable[[Path], Path]
    names: tuple[str, ...]
    files: tuple[str, ...]
    columns: tuple[str, ...] = ()


STATIC = f"{samples.DEAM_STATIC}_1_2000.csv"
MIDI = "midi/adjust_tempo_remove_delayed_inst"
READERS = {
    "deam": Reader(
        recordings.read_deam, samples.deam, ("17", "19", "20", "25", "35", "43", "1000", "1001", "2001"),
        (STATIC, f"{samples.DEAM_STATIC}_2000_2058.csv", "MEMD_audio/1001.mp3"),
        (" valence_mean", " arousal_mean", "song_id"),
    ),
    "emomusic": Reader(
        recordings.read_emomusic, samples.emomusic, ("17", "25"),
        ("annotations/static_annotations.csv", "annotations/songs_info.csv", "clips_45seconds/17.mp3"),
        ("mean_valence", "mean_arousal", "Artist"),
    ),
    "pmemo": Reader(
        recordings.read_pmemo, samples.pmemo, ("1", "4", "5"),
        ("annotations/static_annotations.csv", "metadata.csv", "chorus/4.mp3"),
        ("Valence(mean)", "Arousal(mean)", "artist"),
    ),
    "mtg_jamendo": Reader(
        recordings.read_mtg_jamendo, samples.mtg_jamendo, ("track_0000948", "track_0003524", "track_1048681"),
        ("data/autotagging_moodtheme.tsv", "audio/24/3524.mp3"), ("TAGS", "ARTIST_ID", "PATH"),
    ),
    "fourq": Reader(
        recordings.read_fourq, samples.fourq, ("MT0000004637", "MT0000011357", "MT0000040632", "MT0000044741"),
        ("panda_dataset_taffc_annotations.csv", "panda_dataset_taffc_metadata.csv", "Q2/MT0000011357.mp3"),
        ("Quadrant", "Artist"),
    ),
    "emopia": Reader(
        pieces.read_emopia, samples.emopia, ("Q1_0vLPYiPN7qY_0", "Q2_1_with_lines_1", "Q3_7JIdJLkJ0S4_1"), (),
    ),
    "vgmidi": Reader(
        pieces.read_vgmidi, samples.vgmidi, ("Series_N64_Game 1_Tune", "Series_N64_Game 2_Tune"),
        ("labelled/midi/Series_N64_Game 2_Tune.mid",),
    ),
    "ym2413": Reader(
        pieces.read_ym2413, samples.ym2413, ("07_Bonus", "Ys (FM) - 17 - See You Again"),
        ("emotion_annotation/verified_annotation.csv", f"{MIDI}/07_Bonus.mid"), ("4Q", "fname"),
    ),
}  # fmt: skip
FILES = [(name, file) for name, reader in READERS.items() for file in reader.files]
COLUMNS = [(name, column) for name, reader in READERS.items() for column in reader.columns]


def refusal(reader: Reader, folder: Path) -> str:
    with pytest.raises(DataError) as predicted:
        reader.load(folder)
    return str(predicted.value)


@pytest.mark.parametrize("name", READERS)
def test_every_listed_item_is_found_with_its_file(name, tmp_path):
    found = READERS[name].load(READERS[name].sample(tmp_path))
    assert tuple(each.name for each in found) == READERS[name].names
    assert all((each.midi if hasattr(each, "midi") else each.path).is_file() for each in found)


@pytest.mark.parametrize("name", READERS)
def test_labels_are_in_their_ranges_and_groups_have_names(name, tmp_path):
    for each in READERS[name].load(READERS[name].sample(tmp_path)):
        affect, quadrant, tags = (getattr(each, field, None) for field in ("affect", "quadrant", "tags"))
        assert affect is not None or quadrant is not None or tags
        assert affect is None or (len(affect) == 2 and all(-1 <= value <= 1 for value in affect))
        assert quadrant is None or quadrant in range(4)
        assert all(kind in ("song", "artist", "group") and name for kind, name in each.groups)


@pytest.mark.parametrize("name", READERS)
def test_an_empty_folder_is_refused_in_a_sentence_with_the_set_and_the_folder(name, tmp_path):
    predicted = refusal(READERS[name], tmp_path)
    assert cards.load(name).name in predicted and str(tmp_path) in predicted and "\n" not in predicted


@pytest.mark.parametrize(("name", "file"), FILES)
def test_a_missing_file_is_refused_in_a_sentence_that_names_it(name, file, tmp_path):
    folder = READERS[name].sample(tmp_path)
    (folder / file).unlink()
    predicted = refusal(READERS[name], folder)
    assert Path(file).stem.removeprefix("panda_dataset_taffc_") in predicted and "\n" not in predicted


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_a_missing_column_is_refused_in_a_sentence_that_names_it(name, column, tmp_path):
    folder = READERS[name].sample(tmp_path)
    for path in [*folder.rglob("*.csv"), *folder.rglob("*.tsv")]:
        head, *rest = path.read_text(encoding="utf-8").splitlines()
        marks = {column: "another"}
        split = "\t" if path.suffix == ".tsv" else ","
        path.write_text("\n".join([split.join(marks.get(h, h) for h in head.split(split)), *rest]), encoding="utf-8")
    predicted = refusal(READERS[name], folder)
    assert repr(column.strip()) in predicted and (".csv" in predicted or ".tsv" in predicted) and "\n" not in predicted


@pytest.mark.parametrize("name", ["deam", "emomusic", "pmemo"])
@pytest.mark.parametrize("value", ["nan", "-3", "9.5", "much", ""])
def test_a_rating_that_is_none_is_refused(name, value, tmp_path):
    folder = READERS[name].sample(tmp_path)
    (path,) = (path for path in folder.rglob("static_annotations*.csv") if "2058" not in path.name)
    *rows, last = path.read_text().splitlines()
    cells = last.split(",")
    path.write_text("\n".join([*rows, ",".join([cells[0], *[value] * (len(cells) - 1)])]))
    assert "rating" in refusal(READERS[name], folder)


def test_a_song_of_deam_that_is_no_number_is_refused(tmp_path):
    path = samples.deam(tmp_path) / STATIC
    path.write_text(path.read_text().replace(" 1000,", " x1000,"))
    assert "x1000" in refusal(READERS["deam"], tmp_path)


def test_a_row_that_is_cut_short_is_refused_by_its_line(tmp_path):
    folder = samples.pmemo(tmp_path)
    with (folder / "metadata.csv").open("a") as file:
        file.write("7,7.mp3\n")
    assert "line 5 has 2 of 8" in refusal(READERS["pmemo"], folder)


def test_archives_may_lie_in_folders_of_their_own(tmp_path):
    folder = samples.deam(tmp_path)
    for part in ("annotations", "MEMD_audio", "metadata"):
        (folder / f"DEAM_{part}").mkdir()
        shutil.move(folder / part, folder / f"DEAM_{part}" / part)
    assert tuple(each.name for each in recordings.read_deam(folder)) == READERS["deam"].names


def test_deam_is_put_right_up_to_song_1000_and_nowhere_else(tmp_path):
    affect = {each.name: each.affect for each in recordings.read_deam(samples.deam(tmp_path))}
    assert affect["25"] == pytest.approx(((4.7 - 5) / 4, (7.9 - 5) / 4))
    assert affect["1000"] == (-1, 0) and affect["1001"] == (1, -1) and affect["2001"] == (0.5, -0.5)


@pytest.mark.parametrize("swapped", [True, False])
def test_the_edition_of_deam_may_be_said(swapped, tmp_path):
    affect = {each.name: each.affect for each in recordings.read_deam(samples.deam(tmp_path), swapped=swapped)}
    assert affect["1000"] == ((-1, 0) if swapped else (0, -1))


def test_a_mended_deam_is_left_as_it_is(tmp_path):
    path = samples.deam(tmp_path) / STATIC
    head, *rows = (line.split(",") for line in path.read_text().splitlines())
    path.write_text("\n".join(",".join(row) for row in [head, *([a, d, e, b, c] for a, b, c, d, e in rows)]))
    affect = {each.name: each.affect for each in recordings.read_deam(tmp_path)}
    assert affect["25"] == pytest.approx(((4.7 - 5) / 4, (7.9 - 5) / 4))


def test_a_deam_that_does_not_show_its_edition_is_refused_with_what_to_do(tmp_path):
    path = samples.deam(tmp_path) / STATIC
    rows = path.read_text().splitlines()
    for kept in ([rows[0], rows[-1]], [row.replace("  7.9 ", "  1.9 ") for row in rows]):
        path.write_text("\n".join(kept))
        assert "swapped=True or swapped=False" in refusal(READERS["deam"], tmp_path)


scores = st.lists(st.tuples(st.floats(1, 9), st.floats(1, 9)), min_size=1, max_size=5)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(scores, st.booleans())
def test_a_song_of_deam_and_emomusic_has_one_affect_and_one_song(tmp_path, rated, swapped):
    shutil.rmtree(tmp_path)
    one, two = samples.ratings(tmp_path, np.array(rated), swapped=swapped)
    here, there = recordings.read_deam(one, swapped=swapped)[:-1], recordings.read_emomusic(two)
    assert [each.affect for each in here] == [each.affect for each in there]
    assert [each.song for each in here] == [each.song for each in there] and len({each.song for each in here}) == len(
        rated
    )


def test_a_split_over_deam_and_emomusic_keeps_their_songs_together_and_a_split_of_each_is_refused(tmp_path):
    one, two = (
        recordings.read_deam(samples.deam(tmp_path / "deam")),
        recordings.read_emomusic(samples.emomusic(tmp_path / "emomusic")),
    )
    sides = even_folds([*one, *two], count=3)
    assert_disjoint(*sides)
    assert sum(map(len, sides)) == len(one) + len(two) and all(sides)
    with pytest.raises(DataError, match="song deam/17"):
        assert_disjoint(one, two, kinds=("song",))


def test_artists_are_compared_without_case_quotes_and_tabs(tmp_path):
    artist = {each.name: each.artist for each in recordings.read_deam(samples.deam(tmp_path / "deam"))}
    assert artist["17"] == "the 2s" and artist["1001"] == "björk" and artist["2001"] == ""
    assert recordings.read_emomusic(samples.emomusic(tmp_path / "emomusic"))[0].artist == "the 2s"
    assert [each.artist for each in recordings.read_fourq(samples.fourq(tmp_path / "fourq"))] == [
        "abba",
        "abba",
        "",
        "dismember",
    ]


def test_deam_without_its_metadata_has_no_artists(tmp_path):
    shutil.rmtree(samples.deam(tmp_path) / "metadata")
    assert {each.artist for each in recordings.read_deam(tmp_path)} == {""}


def test_pmemo_runs_from_0_to_1(tmp_path):
    affect = [each.affect for each in recordings.read_pmemo(samples.pmemo(tmp_path))]
    assert affect[0] == pytest.approx((0.15, -0.2)) and affect[1:] == [(-1, 1), (-0.5, -1)]


def test_tags_of_jamendo_lose_their_category(tmp_path):
    assert [each.tags for each in recordings.read_mtg_jamendo(samples.mtg_jamendo(tmp_path))] == [
        ("deep",),
        ("sad", "film"),
        ("sad",),
    ]


def test_the_smaller_edition_of_jamendo_is_found(tmp_path):
    for path in samples.mtg_jamendo(tmp_path).rglob("*.mp3"):
        path.rename(path.with_suffix(".low.mp3"))
    assert len(recordings.read_mtg_jamendo(tmp_path)) == 3


@pytest.mark.parametrize(
    ("load_split", "sample", "sides"),
    [
        (recordings.read_mtg_jamendo_split, samples.mtg_jamendo, ("train", "validation", "test")),
        (recordings.read_emomusic_split, samples.emomusic, ("development", "evaluation")),
        (pieces.read_emopia_split, samples.emopia, ("train", "val", "test")),
    ],
)
def test_a_published_split_has_its_sides(load_split, sample, sides, tmp_path):
    split = load_split(sample(tmp_path))
    assert tuple(split) == sides and all(len(side) == 1 for side in split.values())


def test_a_split_of_jamendo_with_one_artist_on_two_sides_is_refused(tmp_path):
    path = samples.mtg_jamendo(tmp_path) / "data/splits/split-0/autotagging_moodtheme-test.tsv"
    path.write_text(path.read_text().replace("artist_359617", "artist_000087"))
    with pytest.raises(DataError, match="artist jamendo artist_000087"):
        recordings.read_mtg_jamendo_split(tmp_path)


def test_a_song_of_emomusic_on_no_side_is_refused(tmp_path):
    path = samples.emomusic(tmp_path) / "annotations/songs_info.csv"
    path.write_text(path.read_text().replace("evaluation", "tryout"))
    with pytest.raises(DataError, match=r"song 25 .* development, evaluation"):
        recordings.read_emomusic_split(tmp_path)


def test_a_clip_of_emopias_split_that_is_missing_is_named(tmp_path):
    (samples.emopia(tmp_path) / "midis/Q3_7JIdJLkJ0S4_1.mid").unlink()
    with pytest.raises(DataError, match="Q3_7JIdJLkJ0S4_1"):
        pieces.read_emopia_split(tmp_path)


def test_raters_of_vgmidi_are_averaged_where_the_means_are_missing(tmp_path):
    one, two = pieces.read_vgmidi(samples.vgmidi(tmp_path))
    assert one.affect == pytest.approx((-0.625, 0.75)) and two.affect == pytest.approx((0.5, 0.75))
    assert (one.quadrant, two.quadrant, one.group) == (1, 0, "Game 1")


def test_the_means_of_vgmidi_go_before_its_raters(tmp_path):
    path = samples.vgmidi(tmp_path) / "derived_piece_va_timeseries.json"
    path.write_text('[{"midi": "Series_N64_Game 1_Tune.mid", "valence": [0.5], "arousal": [-0.5]}]')
    assert [piece.affect for piece in pieces.read_vgmidi(tmp_path)] == [(0.5, -0.5)]
    path.write_text('[{"midi": "Series_N64_Game 1_Tune.mid", "valence": [5], "arousal": [-0.5]}]')
    with pytest.raises(DataError, match="not between -1 and 1"):
        pieces.read_vgmidi(tmp_path)


REAL = {
    "fourq": (recordings.read_fourq, 900),
    "emopia": (pieces.read_emopia, 1078),
    "vgmidi": (pieces.read_vgmidi, 200),
    "ym2413": (pieces.read_ym2413, 669),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_sets_have_as_many_items_as_their_cards_say(name, shared):
    load, count = REAL[name]
    found = load(shared / "data" / name)
    assert len(found) == count == cards.load(name).items and len({each.name for each in found}) == count


def test_the_means_of_vgmidi_are_near_its_raters(shared, tmp_path):
    (tmp_path / "labelled").symlink_to(shared / "data/vgmidi/labelled")
    means, raters = pieces.read_vgmidi(shared / "data/vgmidi"), pieces.read_vgmidi(tmp_path)
    assert [piece.name for piece in means] == [piece.name for piece in raters]
    apart = np.abs(np.array([piece.affect for piece in means]) - np.array([piece.affect for piece in raters]))
    assert 0 < apart.max() < 0.025  # what the card says


def test_quadrants_of_the_real_fourq_set_are_those_of_its_metadata(shared):
    with (shared / "data/fourq/metadata.csv").open(newline="", encoding="utf-8") as file:
        expected = {row["Song"]: int(row["Quadrant"][1]) - 1 for row in csv.DictReader(file)}
    assert {each.name: each.quadrant for each in recordings.read_fourq(shared / "data/fourq")} == expected
