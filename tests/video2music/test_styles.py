"""Style tables: those that come with the package, and the errors of wrong ones."""

import tomllib

import pytest

from video2music.errors import StyleError
from video2music.styles import FOLDER, PAD, load_style, muted, names

SMALL = """
name = "small"
tempo = [60, 120]
cadence = ["bass"]

[registers]
bass = [36, 50]
upper = [53, 74]
melody = [70, 88]

[[instruments]]
name = "piano"
program = 0
voices = ["bass", "alto", "melody"]
range = [21, 108]

[[patterns]]
name = "one"
grid = 4
bass = "X--- | x.o-"
alto = ".x-- | ----"

[[motifs]]
name = "motif"
grid = 2
melody = "0- 1. | 2- .."

[[instruments]]
name = "kit"
program = 8
drums = true

[[drums]]
name = "groove"
energy = 0.5
grid = 2
kick = "X. .. X. .."
hat = "xo xo xo xo"
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("name", names())
def test_every_style_that_ships_can_be_read(name):
    style = load_style(name)
    assert style.name == name and style.patterns and style.instruments


def test_the_piano_is_among_them():
    assert "piano" in names()


def test_a_users_own_file_is_read_with_its_defaults(written):
    style = load_style(written(SMALL))
    assert style.beats_per_bar == 4 and style.registers.inversions is False
    pattern = style.patterns[0]
    assert pattern.steps == 2
    assert [pattern.columns("bass", phase) for phase in (0, 1, 2, -1)] == ["X---", "x.o-", "X---", "x.o-"]
    assert pattern.columns("tenor", 0) == "...."
    assert style.motifs[0].steps == 4


WRONG = {
    "unknown key": ('name = "small"', 'name = "small"\nswim = 3', r"unknown key 'swim'"),
    "swing backwards": (
        'name = "small"', 'name = "small"\nswing = 0.4',
        r"style.swing must be a number from 0.5 to 0.75",
    ),
    "approach above all": (
        'name = "small"', 'name = "small"\napproach = 2',
        r"style.approach must be a number from 0 to 1",
    ),
    "pan beyond one": (
        "program = 0", "program = 0\npan = -2",
        r"instruments\[1\].pan must be a number from -1 to 1",
    ),
    "reverb beyond one": (
        "program = 0", "program = 0\nreverb_send = 30",
        r"instruments\[1\].reverb_send must be a number from 0 to 1",
    ),
    "energy beyond one": ("program = 0", "program = 0\nfrom_energy = 5", r"from_energy must be a number from 0 to 1"),
    "never plays": (
        "program = 0", "program = 0\nfrom_energy = 0.8\nuntil_energy = 0.2",
        r"never plays: its from_energy",
    ),
    "enters before the first part": (
        "program = 0", "program = 0\nenters = 0",
        r"enters must be a whole number from 1 to 8",
    ),
    "drums that are a word": ("program = 0", 'program = 0\ndrums = "yes"', r"drums must be true or false"),
    "drums with voices": (
        "drums = true", 'drums = true\nvoices = ["bass"]',
        r"being drums, has the unknown key 'voices'",
    ),
    "two kits": (
        "[[drums]]", '[[instruments]]\nname = "k2"\nprogram = 0\ndrums = true\n[[drums]]',
        r"2 instruments are drums",
    ),
    "one name twice": ('name = "kit"', 'name = "piano"', r"two instruments are called 'piano'"),
    "no beat": ("energy = 0.5", 'energy = 0.5\nrole = "final"', r"the drums have nothing to play"),
    "unknown role": (
        "energy = 0.5", 'energy = 0.5\nrole = "solo"',
        r"drums\[1\].role names the role 'solo': the roles are",
    ),
    "drums without energy": ("energy = 0.5\n", "", r"drums\[1\] lacks the key 'energy'"),
    "unknown drum": ("kick = ", "kettle = ", r"drums\[1\] has the unknown key 'kettle'"),
    "a held drum": ("X. .. X. ..", "X- .. X. ..", r"drums\[1\].kick has the sign '-'"),
    "half a bar": ('"X. .. X. .."\nhat = "xo xo xo xo"', '"X. .."\nhat = "xo xo"', r"a beat whole bars of 8 signs"),
    "drums nobody plays": (
        "drums = true\n", 'voices = ["sub"]\nrange = [21, 80]\n',
        r"row for kick, but no instrument plays it",
    ),
    "a passing tone on a chord": ("0- 1. | 2- ..", "0- ~1 | 2- ..", r"a passing tone '~' must be between two digits"),
    "a passing tone to nowhere": ("0- 1. | 2- ..", "0- 1~ | .. 2-", r"a passing tone '~' must be between two digits"),
    "wrong type": ("tempo = [60, 120]", 'tempo = "fast"', r"style.tempo must be two numbers"),
    "falling tempo": ("tempo = [60, 120]", "tempo = [120, 60]", r"style.tempo must rise"),
    "tempo out of range": ("tempo = [60, 120]", "tempo = [6, 120]", r"from 50 to 180, but is 6"),
    "program out of range": ("program = 0", "program = 128", r"instruments\[1\].program must be a whole number from 0"),
    "truth is no number": ("program = 0", "program = true", r"program must be a whole number"),
    "letters for a table": ("[registers]", "registers = 3\n[other]", r"style has the unknown key 'other'"),
    "unknown voice": ('["bass", "alto", "melody"]', '["bass", "alto", "kazoo"]', r"names the voice 'kazoo'"),
    "narrow range": ("range = [21, 108]", "range = [60, 65]", r"range must rise by at least 11"),
    "missing key": ("program = 0\n", "", r"instruments\[1\] lacks the key 'program'"),
    "unknown sign": ("x.o-", "x.q-", r"patterns\[1\].bass has the sign 'q'"),
    "hold after silence": ("x.o-", "x.-o", r"a hold '-' needs a note"),
    "uneven rows": ('alto = ".x-- | ----"', 'alto = ".x--"', r"rows of one length"),
    "row that is no chord": ('"X--- | x.o-"', '"X--"', r"rows of one length"),
    "unknown pattern voice": ("alto = ", "flute = ", r"patterns\[1\] has the unknown key 'flute'"),
    "row nobody plays": ("alto = ", "tenor = ", r"row for tenor, but no instrument plays it"),
    "cadence nobody plays": ('cadence = ["bass"]', 'cadence = ["tenor"]', r"no instrument plays a voice of"),
    "registers that cross": ("bass = [36, 50]", "bass = [36, 60]", r"style.registers must rise"),
    "letters in a motif": ("0- 1. | 2- ..", "x- 1. | 2- ..", r"motifs\[1\].melody has the sign 'x'"),
    "not TOML": ("tempo = [60, 120]", "tempo = [60, ", r"cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_style_is_refused_in_one_clear_sentence(written, old, new, told):
    assert old in SMALL
    with pytest.raises(StyleError, match=told) as caught:
        load_style(written(SMALL.replace(old, new, 1)))
    assert "mine.toml" in str(caught.value) and "\n" not in str(caught.value).strip()


def test_an_instrument_is_by_default_panned_to_the_middle_and_plays_the_whole_piece(written):
    piano, kit = load_style(written(SMALL)).instruments
    assert (piano.pan, piano.reverb_send, piano.from_energy, piano.until_energy, piano.enters, piano.leaves) == (
        0,
        0.3,
        0,
        1,
        1,
        0,
    )
    assert kit.drums and {"kick", "hat"} <= set(kit.voices) and not piano.drums


def test_the_row_of_a_pad_stands_for_three_voices(written):
    text = SMALL.replace('"melody"]', '"melody", "pad"]', 1).replace(
        'bass = "X---', 'pad = "---- | x---"\nbass = "X---', 1
    )
    style = load_style(written(text + "\n[balance]\npad = -9\nkick = 3\n"))
    assert set(PAD) <= set(style.instruments[0].voices) and "pad" not in style.patterns[0].rows
    assert {style.patterns[0].rows[voice] for voice in PAD} == {"----x---"}
    assert style.balance == {**dict.fromkeys(PAD, -9), "kick": 3}


def test_a_drum_pattern_is_cut_to_a_shorter_bar_and_restarts_in_a_longer_one(written):
    groove = load_style(written(SMALL)).drums[0]
    assert [groove.columns("kick", bar, 4) for bar in (0, 1)] == ["X...X...", "X...X..."]
    assert groove.columns("kick", 0, 2) == "X..." and groove.columns("kick", 0, 3) == "X...X."
    assert groove.columns("kick", 0, 5) == "X...X...X." and groove.columns("hat", 3, 7) == "xo" * 7


def test_muting_leaves_the_named_instruments_out_and_nothing_else_changes():
    style = load_style("pop")
    quiet = muted(style, ["drums", "lead"])
    assert [i for i in style.instruments if i.name not in ("drums", "lead")] == list(quiet.instruments)
    assert quiet.patterns == style.patterns and muted(style, []) == style


def test_muting_an_unknown_instrument_or_all_that_have_pitches_lists_those_there_are(written):
    style = load_style(written(SMALL))
    with pytest.raises(StyleError, match=r"no instrument 'kazoo': it has piano, kit"):
        muted(style, ["piano", "kazoo"])
    for names_of_all in (["piano"], ["piano", "kit"]):
        with pytest.raises(StyleError, match=r"no instrument left to play the chords: it has piano, kit"):
            muted(style, names_of_all)


def test_eight_styles_ship_and_the_ensembles_are_of_three_to_nine():
    assert {"piano", "strings", "ambient", "lofi", "acoustic", "pop", "tension", "corporate"} <= set(names())
    assert all(3 <= len(load_style(name).instruments) <= 9 for name in names() if name != "piano")


@pytest.mark.parametrize("name", names())
def test_drums_and_melody_are_panned_near_the_middle(name):
    for instrument in load_style(name).instruments:
        if instrument.drums or ("melody" in instrument.voices and instrument.transpose == 0):
            assert abs(instrument.pan) <= 0.1


def test_an_unknown_name_lists_the_styles_there_are():
    with pytest.raises(StyleError, match=r"no style 'polka': choose one of .*piano"):
        load_style("polka")


def test_a_folder_or_a_binary_file_is_no_style(tmp_path):
    (tmp_path / "noise.toml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "noise.toml"):
        with pytest.raises(StyleError):
            load_style(str(path))


def test_the_tables_on_disk_name_themselves_as_their_files_do():
    for path in FOLDER.glob("*.toml"):
        assert tomllib.loads(path.read_text())["name"] == path.stem
