"""Reading YM2413-MDB in its layout: games and titles out of names, and the folds that ship."""

import os
from pathlib import Path

import pytest

from emotion.data import cards
from emotion.data.pieces import YM2413_LABELS, YM2413_MIDI, read_folds, read_ym2413
from emotion.errors import DataError

REAL = Path(os.environ.get("V2M_DATA", "../shared"), "data/ym2413")


def write(folder, names, quadrant="Q2"):
    lines = ["fname,verified_tags,toptag_eng_verified,4Q", *(f'"{name}.wav","a, b",a,{quadrant}' for name in names)]
    (folder / YM2413_LABELS).parent.mkdir(parents=True)
    (folder / YM2413_LABELS).write_text("\n".join(lines) + "\n")
    (folder / YM2413_MIDI).mkdir(parents=True)
    for name in names:
        (folder / YM2413_MIDI / f"{name}.mid").touch()
    return folder


@pytest.mark.parametrize(
    ("name", "game", "title"),
    [
        ("Ys (FM) - 17 - See You Again", "Ys", "see you again"),
        (
            "BMX Trial - Alex Kidd - 02 - South Seas _ Pyramid River",
            "BMX Trial - Alex Kidd",
            "south seas pyramid river",
        ),
        ("01 - Game de check! Koutsuu Anzen (FM) - Instructions", "Game de check! Koutsuu Anzen", "instructions"),
        ("F1_Douchuuki_(MSX2,_OPLL)_01 Title Screen", "F1_Douchuuki", "title screen"),
        ("13 Don_t Cry Hi-Yah (Area 7)", "", "don t cry hi yah"),
        ("07_Bonus", "", "bonus"),
    ],
)
def test_game_and_title_come_from_the_name(tmp_path, name, game, title):
    (piece,) = read_ym2413(write(tmp_path, [name]))
    assert (piece.game, piece.title, piece.quadrant) == (game, title, 1)
    assert piece.path.is_file()


def test_a_missing_midi_or_an_unknown_quadrant_is_refused(tmp_path):
    folder = write(tmp_path / "one", ["01 Title"])
    (folder / YM2413_MIDI / "01 Title.mid").unlink()
    with pytest.raises(DataError, match="01 Title"):
        read_ym2413(folder)
    with pytest.raises(DataError, match="layout"):
        read_ym2413(write(tmp_path / "two", ["01 Title"], quadrant="Q9"))
    with pytest.raises(DataError, match="no YM2413-MDB at"):
        read_ym2413(tmp_path / "three")


@pytest.mark.skipif(not REAL.is_dir(), reason="YM2413-MDB is not at V2M_DATA")
def test_no_game_is_in_two_folds_and_every_known_game_has_one():
    folds = read_folds(cards.folder("ym2413") / "splits" / "folds.csv")
    pieces = read_ym2413(REAL)
    found = {}
    for piece in pieces:
        if piece.game:
            found.setdefault(piece.game, set()).add(folds[piece.name])
    assert len(pieces) == 669 and {len(each) for each in found.values()} == {1}
    assert folds.keys() == {piece.name for piece in pieces if piece.game}
