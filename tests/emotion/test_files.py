"""Files that appear whole or not at all, and what is said of one that cannot."""

import errno
import os
from pathlib import Path

import pytest

from emotion.files import atomic_write, failure

TARGET = Path("out/clip.wav")


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_write(path) as partial:
        partial.write_bytes(b"whole")
        assert not path.exists() and partial.parent == tmp_path
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_what_fails_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"older")
    with pytest.raises(error), atomic_write(path) as partial:
        partial.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as one, atomic_write(tmp_path / "a") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "one"


def test_the_longest_name_a_disk_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    with atomic_write(path) as partial:
        partial.write_text("")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EACCES, "may write to"),
        (errno.EPERM, "may write to"),
        (errno.EROFS, "may write to"),
        (errno.ENAMETOOLONG, ""),
        (errno.EFBIG, ""),
    ],
)
def test_advice_fits_the_cause(code: int, advice: str) -> None:
    sentence = failure(OSError(code, os.strerror(code), "out/.1.partial"), TARGET)
    cause = f"out/clip.wav cannot be written ({os.strerror(code)})"
    assert sentence.startswith(cause)
    assert advice in sentence if advice else sentence == cause


@pytest.mark.parametrize("named", ["out", "out/clip.wav", "file:out/.1.partial", ".partial-2/clip.wav", b"out"])
def test_a_file_on_the_way_is_the_target_s_fault(named: str | bytes) -> None:
    assert failure(OSError(2, "gone", named), TARGET, called="the music") == "the music cannot be written (gone)"


@pytest.mark.parametrize("named", ["holiday.mp4", "file:out/holiday.mp4", "out/clip.wav.mp4"])
def test_another_file_could_not_be_read(named: str) -> None:
    assert failure(OSError(5, "broken", named), TARGET) == f"{named.removeprefix('file:')} cannot be read (broken)"


def test_an_error_that_names_no_file_does_not_blame_the_writing() -> None:
    assert failure(OSError(5, "broken"), TARGET) == "out/clip.wav cannot be finished (broken)"
