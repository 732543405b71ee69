"""An option is declared once and found everywhere; its record is what its check, parser and help are made from."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from video2music.errors import OptionError
from video2music.options import SPECS, Options, options_table, specs

ROOT = Path(__file__).resolve().parents[2]

ADDED = """
import sys
from dataclasses import make_dataclass
from video2music import options

more = [
    ("echo", float, options.option(0.25, help="How long it echoes.", label="Echo", group="Output", low=0.0, high=2.0)),
    ("guests", tuple[str, ...], options.option((), help="Who else.", label="Guests", group="Output", cli="guest")),
]
options.Options = make_dataclass("Options", more, bases=(options.Options,), frozen=True)
options.SPECS = options.specs(options.Options)
"""


def with_added(code):
    """What a program prints whose options are those of this one and two more."""
    done = subprocess.run([sys.executable, "-c", ADDED + code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_option_that_is_added_is_one_of_generate_and_batch():
    found = with_added("""
from typer.main import get_command
from video2music.cli import app
for command in ("generate", "batch"):
    found = {one.name: one for one in get_command(app).commands[command].params}
    print(found["echo"].opts, found["echo"].default, found["guests"].opts, found["guests"].multiple)
""")
    assert found.splitlines() == ["['--echo'] 0.25 ['--guest'] True"] * 2


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_an_option_that_is_added_is_in_the_help(command):
    found = with_added(f"""
from video2music.cli import app
app([{command!r}, "--help"], standalone_mode=False)
""")
    assert "--echo" in found and "How long it echoes. 0 to 2." in found and "0.25" in found and "--guest" in found


def test_an_option_that_is_added_is_a_column_of_the_jobs_table(tmp_path):
    (tmp_path / "a.mp4").write_text("a clip")
    (tmp_path / "jobs.csv").write_text("clip,echo,guest\na.mp4,1.5,harp;oboe\na.mp4,,\n")
    found = with_added(f"""
from pathlib import Path
from video2music.cli.jobs_table import read_table
defaults = {{name: spec.default for name, spec in options.SPECS.items()}}
for job in read_table(Path({str(tmp_path)!r}) / "jobs.csv", defaults):
    print(job.options.echo, job.options.guests)
(Path({str(tmp_path)!r}) / "jobs.csv").write_text("clip,echo\\na.mp4,3\\n")
try:
    read_table(Path({str(tmp_path)!r}) / "jobs.csv", defaults)
except options.OptionError as error:
    print(error)
""")
    *values, refusal = found.splitlines()
    assert values == ["1.5 ('harp', 'oboe')", "0.25 ()"]
    assert "column 'echo': echo must lie between 0 and 2, but is 3" in refusal


def test_an_option_that_is_added_is_in_the_table_of_the_docs_and_has_a_widget_s_limits():
    found = with_added("""
print(options.SPECS["echo"].label, options.SPECS["echo"].low, options.SPECS["echo"].high)
print(options.options_table(options.SPECS))
""")
    assert found.startswith("Echo 0.0 2.0\n")
    assert "| `--echo FLOAT` | `0.25` | How long it echoes. 0 to 2. |" in found


def test_every_option_has_a_record_with_its_default():
    assert {spec.name: spec.default for spec in SPECS.values()} == vars(Options())
    assert list(SPECS) == [field.name for field in fields(Options)]
    assert all(spec.help and spec.label and spec.group for spec in SPECS.values())
    assert len({spec.flag for spec in SPECS.values()}) == len(SPECS)


def test_what_an_option_replaces_and_its_record_name_options_that_there_are():
    assert all(set(spec.replaces) <= SPECS.keys() for spec in SPECS.values())
    assert all(spec.default in spec.names for spec in SPECS.values() if spec.names and spec.default is not None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("tempo", "80-110", (80.0, 110.0)),
        ("tempo", "90", (90.0, 90.0)),
        ("beats_per_bar", "3/4", 3),
        ("hits", "1.5; 3", (1.5, 3.0)),
        ("only", "bass", ("bass",)),
        ("stems", "Yes", True),
        ("seed", "7", 7),
        ("style", "pop", "pop"),
    ],
)
def test_an_option_is_read_from_a_line_of_text(name, text, value):
    assert SPECS[name].parse(text) == value
    assert getattr(Options(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("tempo", "fast", "the tempo 'fast' is none"),
        ("beats_per_bar", "6/8", "the metre '6/8' is none"),
        ("hits", "1;x", "'x' is not a number"),
        ("stems", "maybe", "'maybe' is not yes or no"),
        ("seed", "1.5", "'1.5' is not a whole number"),
    ],
)
def test_text_that_is_no_value_is_refused_in_a_sentence(name, text, sentence):
    with pytest.raises(OptionError, match=sentence):
        SPECS[name].parse(text)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"emotion": "hungry"}, "unknown emotion 'hungry': choose one of exciting, fearful"),
        ({"audio_format": "mp3"}, "unknown audio format 'mp3': choose one of wav, flac, m4a"),
        ({"strength": 2.0}, "strength must lie between 0 and 1, but is 2"),
        ({"strength": None}, "strength must be a number, but is None"),
        ({"preview_s": 0.0}, "preview must lie between 1 and 21600, but is 0"),
        ({"beats_per_bar": 3.5}, "beats per bar must be a whole number, but is 3.5"),
        ({"seed": 2**63}, "seed must lie between 0 and"),
        ({"hits": 5.0}, "hits must be a list of numbers, but is 5.0"),
        ({"only": "bass"}, "only must be a list of words, but is 'bass'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_a_sentence(options, sentence):
    with pytest.raises(OptionError, match=sentence):
        Options(**options)


def test_the_largest_seed_and_numbers_of_numpy_are_values():
    import numpy as np

    assert Options(seed=2**63 - 1).seed == 2**63 - 1
    assert Options(strength=np.float32(0.5)).strength == 0.5


def test_the_table_of_the_docs_has_a_line_for_each_option():
    table = options_table()
    assert all(f"| `{spec.flag}" in table for spec in SPECS.values())
    assert table == options_table(specs(Options))


def test_the_docs_hold_the_table():
    """Where this fails, put what `options_table()` returns between the markers of docs/options.md."""
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert page.split("<!-- options -->\n")[1].split("<!-- end options -->")[0] == options_table()
