"""What docs/ and README.md tell people to type does what they say, on tiny clips, sounds and data sets.

Each page has a folder of its own, in which its commands and programs are run one after the other, as a reader would.
"""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

import emotion.cli
import video2music.cli
from tests.emotion.plain_model import midi_file
from tests.emotion.waves import sine, wav
from tests.video2music.conftest import draw_clip
from tests.video2music.evaluate.listening import kits
from tests.video2music.evaluate.listening.test_kit import scored
from tests.video2music.evaluate.songs import SPLITS, write_muvi_sync
from video2music import styles
from video2music.batch.scoring import Scorer
from video2music.cli import batch
from video2music.errors import StyleError
from video2music.evaluate.listening.trials import read_key
from video2music.options import Options
from video2music.pipeline import compose

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
}
TEXT_ONLY = ("docs/architecture.md", "docs/licences.md", "docs/options.md", "docs/results.md")  # nothing to type
QUICK = ("docs/styles.md", "docs/batches.md", "docs/judging.md")  # the others take longer than ten seconds

# Commands that are not run but read by the program's own reader of options, and who runs them instead.
READ_ONLY = {
    "python -m emotion train": "minutes on tiny data; tests/emotion/train",
    "python -m emotion evaluate": "minutes on tiny data; tests/emotion/evaluate and train/test_judge_training.py",
    "video2music train color": "a data set of pictures; tests/video2music/train/test_color_training.py",
    "video2music train accompaniment": "a data set of pianists; tests/video2music/train/test_accompaniment_training.py",
    "video2music batch clips/ -o far --ray": "needs a cluster; tests/video2music/test_batch_ray.py",
}
ELSEWHERE = ("pip", ".", "git", "sudo")  # programs that are not ours
NOT_RUN = ("read_emomusic",)  # programs on whole data sets: compiled only; tests/emotion/data/test_readers.py

UsageError = typer.BadParameter.__mro__[1]  # of the click that typer carries
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {
    ("video2music",): video2music.cli.app,
    ("emotion",): emotion.cli.app,
    ("python", "-m", "emotion"): emotion.cli.app,
}


@dataclass(frozen=True)
class Block:
    """A fenced part of a page: its language, the file that it shows (or none), and what stands in it."""

    language: str
    file: str
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(language, file, text) for language, file, text in FENCE.findall(PAGES[page].read_text())]


def commands(page: str) -> Iterator[str]:
    """The lines that a shell is given."""
    for block in blocks(page):
        if block.language in ("sh", "console"):
            text = block.text.replace("\\\n", " ")
            yield from (line.removeprefix("$ ") for line in text.splitlines() if line.strip())


INLINE = re.compile(r"`((?:video2music|(?:python -m )?emotion) [^`\[|]*)`")


def mentioned(page: str) -> list[str]:
    """The commands that stand in sentences and tables, with arguments."""
    found = INLINE.findall(FENCE.sub("", PAGES[page].read_text()).replace("\n", " "))
    return [line for line in found if "-" in line.removeprefix("python -m emotion").removeprefix("video2music")]


def words(command: str) -> tuple[dict[str, str], list[str]]:
    """What a shell makes of a line: the settings before the program, and its words, patterns not yet expanded."""
    found = shlex.split(command, comments=True)
    settings = {}
    while found and re.fullmatch(r"[A-Z_0-9]+=\S*", found[0]):
        name, _, value = found.pop(0).partition("=")
        settings[name] = value
    return settings, found


def program(found: list[str]) -> tuple[object, list[str]] | None:
    """The Typer app that a command begins, and its arguments; None for programs that are not ours."""
    for begin, app in PROGRAMS.items():
        if tuple(found[: len(begin)]) == begin:
            return app, found[len(begin) :]
    assert found[0] in (*ELSEWHERE, "make"), f"what runs {found}?"
    return None


def read_by_its_own_parser(app, arguments: list[str]) -> None:
    """Have the options and arguments of a command read without running it. Raises UsageError."""
    command, context = get_command(app), None
    while True:
        context = command.make_context(command.name, list(arguments), parent=context)
        if not hasattr(command, "commands"):
            return
        arguments = [*context._protected_args, *context.args]
        command, arguments = command.commands[arguments[0]], arguments[1:]


ALL = [(page, line) for page in PAGES for line in (*commands(page), *mentioned(page))]


def test_there_are_commands_to_look_at():
    assert len(ALL) > 40 and {page for page, _ in ALL} >= {"README.md", *QUICK}


@pytest.mark.parametrize(("page", "line"), ALL)
def test_every_command_has_the_options_that_a_page_says(page, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, found = words(line)
    ours = program(found)
    if ours:
        read_by_its_own_parser(*ours)
    elif found[0] == "make":
        assert re.search(rf"^{found[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line


def test_an_option_that_is_not_there_is_noticed():
    with pytest.raises(UsageError):
        read_by_its_own_parser(video2music.cli.app, ["generate", "a.mp4", "--stile", "piano"])
    with pytest.raises((UsageError, KeyError)):
        read_by_its_own_parser(video2music.cli.app, ["compose", "a.mp4"])


def test_no_command_is_spared_that_no_page_has():
    lines = [line for _, line in ALL]
    assert [spared for spared in READ_ONLY if not any(line.startswith(spared) for line in lines)] == []


# What the pages name, made small.


def _songs(folder: Path) -> None:
    """A tiny MuVi-Sync with titles."""
    write_muvi_sync(folder)
    listed = [f"{name:03}-Artist {name} - Title {name}\tid{name}" for names in SPLITS.values() for name in names]
    (folder / "vevo_meta/idlist.txt").write_text("\n".join(listed) + "\n")


def _chords(folder: Path) -> None:
    for index in range(2):
        path = folder / f"Somebody_{index}/Album/01-Song_{index}.lab"
        path.parent.mkdir(parents=True)
        loop = ["C:maj", "A:min", "F:maj", "G:7"] * 8
        path.write_text("".join(f"{2.1 * i} {2.1 * i + 2.1} {chord}\n" for i, chord in enumerate(loop)))


def _with_music(folder: Path) -> None:
    """Videos with music in them, other for another folder."""
    for number in range(2):
        scored(folder, f"clip{number}", 0.1, seed=len(folder.name))


def _talkie(path: Path) -> None:
    scored(path.parent, path.stem, 0.1).rename(path)


def _tune(path: Path) -> None:
    midi_file(path, *((step / 2, step / 2 + 0.4, 60 + step * 7 % 12) for step in range(20)))


def _film(path: Path, seconds: float = 4.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_clip(path, seconds=seconds, size=(64, 48), fps=6)


def _clips(folder: Path) -> None:
    for name in ("one", "two"):
        _film(folder / f"{name}.mp4", 8.0 if name == "one" else 5.0)


def _scored(folder: Path) -> None:
    compose(folder.parent.parent / "clip.mp4", folder.parent, Options(encoder="color", candidates=1))


MAKERS = {
    "holiday.mp4": _film, "second.mp4": _film, "film.mp4": _talkie, "clip.mp4": partial(_film, seconds=34.0),
    "clips/": _clips, "more/": lambda folder: _film(folder / "three.mp4"),
    "song.wav": lambda path: wav(path, sine(6.0, 44_100)), "take.wav": lambda path: wav(path, sine(6.0, 44_100)),
    "song.mp3": lambda path: wav(path, sine(6.0, 44_100)), "tune.mid": _tune, "take.mid": _tune, "song.mid": _tune,
    "mood.csv": lambda path: path.write_text("t_s,valence,arousal\n0,-0.5,0\n4,0.6,0.4\n"),
    "MUVI_SYNC": _songs, "CHORD_LISTS": _chords, "ours/": _with_music, "theirs/": _with_music, "OURS/": _with_music,
    "THEIRS/": _with_music, "out/clip/": _scored,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Makes a folder in which a page's files lie, and goes there."""

    def make(page: str) -> Path:
        text = PAGES[page].read_text()
        for name, maker in MAKERS.items():
            if re.search(rf"(?<![\w/.]){re.escape(name)}", text):
                maker(tmp_path / name)
        for block in blocks(page):
            if block.file:
                (tmp_path / block.file).write_text(block.text)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


class InProcessWorker:
    """A worker of a batch in this process, with models that are loaded already, and one candidate to save time."""

    def __init__(self):
        self._scorer = Scorer(lambda threads: compose, 1)

    def compose(self, job, key, scratch, timeout_s):
        return self._scorer.compose(replace(job, options=replace(job.options, candidates=1)), key, scratch)

    def kill(self):
        pass


def answer(out: Path = Path("study"), answers: Path = Path("answers")) -> None:
    """What two listeners send back."""
    if out.is_dir() and not answers.exists():
        answers.mkdir()
        for name in ("anna", "bo"):
            kits.table(answers / f"{name}.csv", kits.rows(read_key(out), name, lambda trial, question: "a"))


def expanded(found: list[str], line: str) -> list[str]:
    """The words with the patterns that are not quoted on the line replaced by what they match, as a shell does."""
    spared = {word for pair in re.findall(r"'([^']*)'|\"([^\"]*)\"", line) for word in pair}
    found = [sorted(map(str, Path().glob(word))) if "*" in word and word not in spared else [word] for word in found]
    return [word for group in found for word in group]


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, found = words(line)
    ours = program(found)
    if ours is None or any(line.startswith(read) for read in READ_ONLY):
        return
    with monkeypatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        done = CliRunner().invoke(ours[0], expanded(ours[1], line))
    assert done.exit_code == 0, f"{line}\n{done.output}{done.stderr}"


@contextmanager
def served(text: str) -> Iterator[str]:
    """The program with the address of a page that is served meanwhile in the place of the one that it names."""
    if "127.0.0.1:7860" not in text:
        yield text
        return
    from tests.pages import served_page

    with served_page(Path("served")) as page:
        yield text.replace("http://127.0.0.1:7860", page.local_url.rstrip("/"))


def follow(page: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Do what a page says, from top to end, asserting that it succeeds; how many lines and programs that were."""
    followed = 0
    for block in blocks(page):
        if block.language in ("sh", "console"):
            for line in block.text.replace("\\\n", " ").splitlines():
                answer() if "--answers" in line else None
                run(line, monkeypatch) if line.strip() else None
                followed += bool(line.strip())
        elif block.language == "python":
            code = compile(block.text, page, "exec")
            followed += 1
            if not any(name in block.text for name in NOT_RUN):
                with served(block.text) as text:
                    exec(code if text == block.text else compile(text, page, "exec"), {"__name__": "__main__"})
    return followed


@pytest.fixture
def in_process(monkeypatch):
    monkeypatch.setattr(batch, "_worker_pool", lambda ray, workers: (InProcessWorker, 1))


@pytest.mark.parametrize("page", QUICK)
def test_a_page_can_be_followed(page, folder, in_process, monkeypatch):
    folder(page)
    assert follow(page, monkeypatch) >= (page not in TEXT_ONLY)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(PAGES.keys() - {*QUICK, "docs/index.md", "CONTRIBUTING.md"}))
def test_a_long_page_can_be_followed(page, folder, in_process, monkeypatch):
    folder(page)
    assert follow(page, monkeypatch) >= (page not in TEXT_ONLY)


# Tables.


def test_every_page_is_listed_and_every_link_leads_somewhere():
    index = PAGES["docs/index.md"].read_text()
    for name, path in PAGES.items():
        assert path.parent == ROOT or path.name == "index.md" or f"({path.name})" in index, name
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{name} leads to {target}"


def described(heading: str) -> dict[str, str]:
    """The keys below a heading of docs/styles.md and what their values may be."""
    text = PAGES["docs/styles.md"].read_text()
    (part,) = re.findall(rf"^## {re.escape(heading)}.*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", part, re.MULTILINE))


SPECS = {
    "The head of the file": styles._STYLE.keys()
    - {"registers", "balance", "instruments", "patterns", "motifs", "drums"},
    "`[registers]`": styles._REGISTERS.keys(),
    "`[[instruments]]`": styles._INSTRUMENT.keys(),
    "`[[patterns]]`": styles._PATTERN.keys(),
    "`[[motifs]]`": {*styles._PATTERN, "melody"},
    "`[[drums]]`": styles._DRUM_PATTERN.keys(),
}


@pytest.mark.parametrize("heading", SPECS)
def test_every_key_of_a_style_is_explained(heading):
    assert described(heading).keys() == SPECS[heading]


def test_every_voice_and_drum_is_named():
    text = PAGES["docs/styles.md"].read_text()
    assert [name for name in (*styles.VOICES, *styles.DRUMS, "pad") if f"`{name}`" not in text] == []


LIMITED = [
    (heading, key, *map(float, limits))
    for heading in ("The head of the file", "`[[instruments]]`")
    for key, told in described(heading).items()
    for limits in re.findall(r"^(?:whole )?number (-?[\d.]+) to ([\d.]+)", told)
]


def style_with(heading: str, key: str, value: float) -> str:
    """The example of docs/styles.md with one key set, of its head or of its first instrument."""
    (text,) = [block.text for block in blocks("docs/styles.md") if block.file == "vibes.toml"]
    head, first, rest = text.partition("[registers]")
    written = f"{key} = {value:g}\n"
    if heading == "The head of the file":
        return re.sub(rf"^{key} = .*\n", "", head, flags=re.MULTILINE) + written + first + rest
    before, sign, after = text.partition("[[instruments]]\n")
    own, blank, others = after.partition("\n\n")
    return before + sign + re.sub(rf"^{key} = .*$", "", own, flags=re.MULTILINE) + "\n" + written + blank + others


@pytest.mark.parametrize(("heading", "key", "low", "high"), LIMITED)
def test_the_limits_of_a_number_are_those_of_the_loader(heading, key, low, high):
    step = 1 if float(low).is_integer() and high > 1 else 0.01
    for value in (low, high):
        styles.parse(style_with(heading, key, value), where="docs")
    for value in (low - step, high + step):
        with pytest.raises(StyleError, match=key):
            styles.parse(style_with(heading, key, value), where="docs")


def test_the_lines_for_a_server_and_for_a_scheduler_are_read_by_the_programs_own_readers():
    from video2music.studio import serving

    (line,) = re.findall(r"^\S*python app\.py (.*)$", PAGES["docs/serving.md"].read_text(), re.MULTILINE)
    assert serving.read(shlex.split(line), {}).limits.clip_s == 300
    (line,) = re.findall(r"^video2music .*\$SLURM_ARRAY_TASK_ID.*$", PAGES["docs/batches.md"].read_text(), re.MULTILINE)
    read_by_its_own_parser(*program(words(line.replace("$SLURM_ARRAY_TASK_ID", "3"))[1]))


def test_the_options_of_the_page_are_those_of_its_server():
    from video2music.studio import serving

    text = PAGES["docs/serving.md"].read_text()
    told = set(re.findall(r"^\| `(--[\w-]+)` \| `V2M", text, re.MULTILINE))
    assert told == {option.flag for option in serving._options()} | {"--no-api"}
    for flag in told:
        assert f"`V2M_STUDIO_{flag[2:].replace('-', '_').upper()}`" in text


# Names.

NAME = re.compile(r"[`(]((?:video2music|emotion)(?:\.\w+)+)[`)]")
PATH = re.compile(r"`((?:video2music|emotion|tests|datasets|docs|benchmarks)/[\w/.]+)`")


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something that a module defines."""
    for cut in range(name.count(".") + 1, 0, -1):
        module = ".".join(name.split(".")[:cut])
        path = ROOT / module.replace(".", "/")
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            found: object = import_module(module)
            for attribute in name.split(".")[cut:]:
                found = getattr(found, attribute, None)
            return found is not None
    return False


NAMING = [
    *PAGES.values(),
    *sorted(ROOT.glob("*/weights/*/README.md")),
    ROOT / "datasets/README.md",
    ROOT / "WEIGHTS-LICENSES.md",
]


@pytest.mark.parametrize("path", NAMING, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_module_and_file_that_a_page_or_card_names_is_there(path):
    text = path.read_text()
    assert [name for name in NAME.findall(text) if not exists(name)] == []
    named = {found for found in PATH.findall(text) if found != "emotion/datasets/"}  # where the wheel has datasets/
    assert [found for found in named if not (ROOT / found).exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) < 10_000
