"""The catalogue of data sets: what ships is the survey's list, and filters leave what they should."""

import csv
from pathlib import Path

import pytest

from emotion.data import catalogue
from emotion.data.registry import DATASETS
from emotion.errors import DataError

FILE = Path(__file__).parents[3] / "datasets/catalogue.csv"
MENDED = {("DEAM", "year"), ("DEAM", "instances"), ("YM2413-MDB", "instances")}


@pytest.fixture(scope="module")
def rows():
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_row_is_an_entry_and_the_oldest_come_first(rows):
    entries = catalogue.read()
    assert len(entries) == len(rows) == 47 and sorted(e.name for e in entries) == sorted(r["name"] for r in rows)
    assert [entry.year for entry in entries] == sorted(int(row["year"]) for row in rows)
    assert all(entry.instances > 0 and all(entry.media) for entry in entries)
    assert all(entry.categorical or entry.dimensional for entry in entries)


@pytest.mark.parametrize("media", ["MIDI", "midi", "Lyrics", "YouTube id"])
def test_a_medium_leaves_the_sets_that_have_it(media, rows):
    found = {entry.name for entry in catalogue.select(catalogue.read(), media=media)}
    assert found == {row["name"] for row in rows if media.lower() in row["media"].lower()} and found


@pytest.mark.parametrize("labels", ["dimensional", "Categorical"])
def test_a_kind_of_labels_leaves_the_sets_that_have_it(labels, rows):
    found = {entry.name for entry in catalogue.select(catalogue.read(), labels=labels)}
    assert found == {row["name"] for row in rows if row[labels.lower()]} and 0 < len(found) < 47


def test_sound_is_sound_in_any_format():
    everything = catalogue.read()
    found = catalogue.select(everything, media="sound")
    assert {medium for entry in found for medium in entry.media} >= {"MP3", "WAV", "Audio"}
    left = {medium for entry in everything if entry not in found for medium in entry.media}
    assert left == {"MIDI", "Lyrics", "YouTube id", "Spotify id", "Metadata only"}


def test_filters_go_together_and_none_asks_for_nothing():
    everything = catalogue.read()
    assert catalogue.select(everything) == everything
    names = [entry.name for entry in catalogue.select(everything, media="MIDI", labels="dimensional")]
    assert names == ["VGMIDI"]


@pytest.mark.parametrize(
    ("wrong", "choices"), [({"media": "vinyl"}, "MIDI, MP3"), ({"labels": "both"}, "dimensional, categorical")]
)
def test_an_unknown_word_is_refused_with_the_choices(wrong, choices):
    with pytest.raises(DataError, match=choices):
        catalogue.select(catalogue.read(), **wrong)


def test_readers_are_those_of_the_registry_with_cards():
    readers = [entry.reader for entry in catalogue.read() if entry.reader]
    assert len(set(readers)) == len(readers) == 8 and set(readers) == set(DATASETS)
    for reader in readers:
        assert DATASETS[reader].card.items > 0


@pytest.mark.parametrize("text", ["", "name,year\nA,2000\n", FILE.read_text(encoding="utf-8").replace("2007", "MMVII")])
def test_a_damaged_catalogue_is_refused_or_empty(text, tmp_path):
    path = tmp_path / "catalogue.csv"
    path.write_text(text, encoding="utf-8")
    if text:
        with pytest.raises(DataError, match=r"catalogue\.csv cannot be read"):
            catalogue.read(path)
    else:
        assert catalogue.read(path) == []


def test_the_facts_are_the_surveys_but_for_those_that_were_mended(shared, rows):
    with (shared / "data/survey/datasets.csv").open(newline="", encoding="utf-8") as file:
        survey = list(csv.DictReader(file))
    ours = {row["name"]: row for row in rows}
    assert [row["name"] for row in survey] == list(ours)
    differ = {(row["name"], key) for row in survey for key, value in row.items() if ours[row["name"]][key] != value}
    assert differ == MENDED
