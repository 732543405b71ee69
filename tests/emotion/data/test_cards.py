"""Cards: all that ship can be read, and what they say of the real data is so."""

import hashlib
import re
import zipfile
from pathlib import Path

import pytest

from emotion.data import cards
from emotion.errors import DataError

ROOT = Path(__file__).parents[3]
NAMES = sorted(path.parent.name for path in (ROOT / "datasets").glob("*/card.toml"))
CARD = """
name = "Set"
title = "t"
citation = "c"
licence = "l"
weights = "w"
items = 1
what = "w"
"""


def write(folder: Path, text: str) -> tuple[Path, ...]:
    (folder / "set").mkdir()
    (folder / "set/card.toml").write_text(text)
    return (folder,)


def real(shared: Path, card: cards.Card) -> Path:
    return shared / "data" / {"chord_lists": "chords"}.get(card.key, card.key)


def test_the_nine_sets_of_music_with_feelings_have_a_card():
    nine = {"muvi_sync", "emopia", "vgmidi", "ym2413", "fourq", "deam", "pmemo", "emomusic", "mtg_jamendo"}
    assert nine <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_who_made_the_set_and_under_what_terms(name):
    card = cards.load(name)
    assert card.key == name and card.files and card.items > 0 and card.units
    assert all(re.search(r"\b20[012]\d\b.*\.$", citation) for citation in card.citation)
    assert all(text.strip() for text in (card.name, card.title, card.licence, card.weights, card.what))
    assert all(file.scale is None or file.scale[0] < file.scale[1] for file in card.files.values())
    assert all(file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32 for file in card.files.values())


@pytest.mark.parametrize("name", ["deam", "emomusic", "pmemo", "mtg_jamendo"])
def test_a_set_that_was_not_at_hand_has_no_checksum_and_says_where_its_facts_are_from(name):
    card = cards.load(name)
    assert card.about["seen"].startswith("second-hand") and not [f for f in card.files.values() if f.sha256]


def test_emomusic_numbers_its_songs_as_deam_does():
    assert cards.load("emomusic").songs == cards.load("deam").songs == "deam"


@pytest.mark.parametrize("name", NAMES)
def test_checksums_and_columns_are_those_of_the_data(name, shared):
    card = cards.load(name)
    for role, file in card.files.items():
        if file.sha256 and name != "muvi_sync":
            (path,) = cards.find(real(shared, card), card, role)
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256, path
            if file.columns:
                assert cards.rows(real(shared, card), card, role, needs=tuple(file.columns))


@pytest.mark.parametrize("name", sorted({*NAMES} - {"deam", "emomusic", "pmemo", "mtg_jamendo", "muvi_sync"}))
def test_there_are_as_many_files_as_the_card_says(name, shared):
    card = cards.load(name)
    for file in card.files.values():
        if file.count is not None:
            assert len(list(real(shared, card).glob(file.path))) == file.count, file.path


def test_files_of_muvi_sync_are_as_many_and_the_same_as_the_card_says(shared):
    card = cards.load("muvi_sync")
    with zipfile.ZipFile(shared / "data/muvi_sync/labels.zip") as archive:
        names = archive.namelist()
        titles = archive.read(card.file("titles").path)
    assert hashlib.sha256(titles).hexdigest() == card.file("titles").sha256
    for role, file in card.files.items():
        if file.count is not None and role != "semantic":
            assert sum(Path(name).match(file.path) for name in names) == file.count, role


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "no card"),
        ('name = "Set"', "no card"),
        (CARD + "[files.a]\npath = 'a'\ncolour = 'red'", "colour"),
        (CARD + "[files.a]\npath = 'a'\nscale = [1]", "no card"),
        (CARD + "[files.a]\npath = 'a'\ndelimiter = 'tab'", "one character"),
    ],
)
def test_what_is_no_card_is_refused_by_its_path(text, said, tmp_path):
    with pytest.raises(DataError, match=r"card\.toml") as predicted:
        cards.load("set", places=write(tmp_path, text))
    assert said in str(predicted.value) and "\n" not in str(predicted.value)


def test_a_role_that_a_card_has_not_is_refused_with_those_it_has(tmp_path):
    card = cards.load("set", places=write(tmp_path, CARD + "[files.ratings]\npath = 'r.csv'"))
    with pytest.raises(DataError, match="no file 'sounds': it names ratings"):
        card.file("sounds")


def test_an_unknown_set_is_refused():
    with pytest.raises(DataError, match="nowhere"):
        cards.load("nowhere")
    with pytest.raises(DataError, match="nowhere"):
        cards.folder("nowhere")


def test_a_table_is_read_by_roles_whatever_the_blanks_and_what_is_beyond_the_last_heading(tmp_path):
    text = CARD + "[files.t]\npath = 't.tsv'\ndelimiter = \"\\t\"\ncolumns = { name = 'Id', tags = 'Tags' }"
    card = cards.load("set", places=write(tmp_path, text))
    (tmp_path / "t.tsv").write_text("\ufeffId\tX\t Tags\n\n 1 \t\ta\tb\n2\t\tc\n", encoding="utf-8")
    assert cards.rows(tmp_path, card, "t", needs=("tags", "name")) == [
        {"tags": "a\tb", "name": "1"},
        {"tags": "c", "name": "2"},
    ]
    (tmp_path / "t.tsv").write_text("Id\tX\tTags\n")
    with pytest.raises(DataError, match="no rows"):
        cards.rows(tmp_path, card, "t", needs=("name",))
