"""Style tables: those that come with the package, and what is said about wrong ones."""

import tomllib

import pytest

from video2music.errors import StyleError
from video2music.styles import FOLDER, load_style, names

SMALL = """
name = "small"
tempo = [60, 120]
cadence = ["bass"]

[registers]
bass = [36, 50]
upper = [53, 74]
line = [70, 88]

[[instruments]]
name = "piano"
program = 0
voices = ["bass", "alto", "line"]
range = [21, 108]

[[patterns]]
name = "one"
grid = 4
bass = "X--- | x.o-"
alto = ".x-- | ----"

[[lines]]
name = "motif"
grid = 2
line = "0- 1. | 2- .."
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
    assert style.lines[0].steps == 4


WRONG = {
    "unknown key": ('name = "small"', 'name = "small"\nswing = 3', r"unknown key 'swing'"),
    "wrong type": ("tempo = [60, 120]", 'tempo = "fast"', r"style.tempo must be two numbers"),
    "falling tempo": ("tempo = [60, 120]", "tempo = [120, 60]", r"style.tempo must rise"),
    "tempo out of range": ("tempo = [60, 120]", "tempo = [6, 120]", r"from 50 to 180, but is 6"),
    "program out of range": ("program = 0", "program = 128", r"instruments\[1\].program must be a whole number from 0"),
    "truth is no number": ("program = 0", "program = true", r"program must be a whole number"),
    "unknown voice": ('["bass", "alto", "line"]', '["bass", "alto", "kazoo"]', r"names the voice 'kazoo'"),
    "narrow range": ("range = [21, 108]", "range = [60, 65]", r"range must rise by at least 11"),
    "missing key": ("program = 0\n", "", r"instruments\[1\] lacks the key 'program'"),
    "unknown sign": ("x.o-", "x.q-", r"patterns\[1\].bass has the sign 'q'"),
    "hold after silence": ("x.o-", "x.-o", r"a hold '-' needs a strike"),
    "uneven rows": ('alto = ".x-- | ----"', 'alto = ".x--"', r"rows of one length"),
    "row that is no chord": ('"X--- | x.o-"', '"X--"', r"rows of one length"),
    "unknown pattern voice": ("alto = ", "flute = ", r"patterns\[1\] has the unknown key 'flute'"),
    "row nobody plays": ("alto = ", "tenor = ", r"row for tenor, but no instrument plays it"),
    "cadence nobody plays": ('cadence = ["bass"]', 'cadence = ["tenor"]', r"no instrument plays a voice of"),
    "registers that cross": ("bass = [36, 50]", "bass = [36, 60]", r"style.registers must rise"),
    "letters in a motif": ("0- 1. | 2- ..", "x- 1. | 2- ..", r"lines\[1\].line has the sign 'x'"),
    "not TOML": ("tempo = [60, 120]", "tempo = [60, ", r"cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_style_is_refused_in_one_clear_sentence(written, old, new, told):
    assert old in SMALL
    with pytest.raises(StyleError, match=told) as caught:
        load_style(written(SMALL.replace(old, new, 1)))
    assert "mine.toml" in str(caught.value) and "\n" not in str(caught.value).strip()


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
