"""The folder of each run: below one root of the server's own, under a name that nobody can guess, deleted by its age.

Beside the runs are the uploads, in folders that Gradio names by a hash of their content, and cached features of clips,
which are not served. Who knows the path of a file may fetch it, so names are drawn by `secrets`, and nobody but the
server's user may list the root.
"""

import logging
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from emotion.files import failure
from video2music.errors import OptionError

log = logging.getLogger(__name__)

OWN = 0o700  # the server's user reads, writes and lists; nobody else does anything
DAY_S = 24 * 3600.0
SHORTEST_S = 60.0  # between two cleanings
FEATURES = "features"  # the folder below the root of what was seen in clips

_MARK = ".video2music-runs"  # an empty file in a root
_RUN = re.compile(r"run-[A-Za-z0-9_-]{43}")  # 32 random bytes
_HASH = "[0-9a-f]{64}"  # the folder of an upload
_UPLOADED = re.compile(rf"{_HASH}|tmp[a-z0-9_]{{8}}")  # the latter while it is under way


class Runs:
    """The run folders below `root`, which go when nothing in them was touched for `keep_s` seconds, as all beside them.

    Raises OptionError when the root cannot be made, is a link, belongs to somebody else or holds other things.
    """

    def __init__(self, root: Path | str, keep_s: float = DAY_S) -> None:
        self.root = _own_folder(Path(root))
        self.keep_s = keep_s

    def new(self) -> Path:
        """A fresh folder for one request. Raises OptionError."""
        folder = self.root / f"run-{secrets.token_urlsafe(32)}"
        try:
            folder.mkdir(mode=OWN)
        except OSError as error:
            raise OptionError(failure(error, folder, called="the folder of this run")) from None
        return folder

    def serves(self, path: Path | str) -> bool:
        """Whether a visitor who knows the path may have it: a file of a run or an upload, no hidden one."""
        folder = self._folder(path)
        if folder is None or not (self._is_run(folder) or self._is_upload(folder)):
            return False
        hidden = any(part.startswith(".") for part in Path(path).relative_to(self.root).parts)
        return not hidden and _is_straight(path) and _is_own(Path(path), stat.S_ISREG)

    def forget(self, folder: Path | str | None) -> None:
        """Delete a run's folder and all that is in it; what is no run is left alone."""
        if folder is not None and Path(folder).parent == self.root and self._is_run(Path(folder)):
            shutil.rmtree(folder, ignore_errors=True)

    def touch(self, path: Path | str) -> None:
        """Begin the age of the run or upload that a path lies in anew, because it is in use."""
        folder = self._folder(path)
        if folder is not None and (self._is_run(folder) or self._is_upload(folder)):
            with suppress(OSError):  # it was forgotten meanwhile
                os.utime(folder)

    def clean(self) -> int:
        """Delete runs, uploads and features that nobody touched for `keep_s`; how many went."""
        now_s, gone = time.time(), 0
        for path in self._leftovers():
            if now_s - _touched_s(path) > self.keep_s:
                _remove(path)
                gone += not os.path.lexists(path)
        if gone:
            log.info("%d old runs, uploads and features deleted", gone)
        return gone

    def clean_in_background(self, every_s: float | None = None) -> threading.Event:
        """Clean now and then until the event that comes back is set; `every_s` is a twentieth of `keep_s` at first."""
        pause_s, stop = every_s or max(self.keep_s / 20, SHORTEST_S), threading.Event()

        def work() -> None:
            while not stop.is_set():
                self._clean_quietly()
                stop.wait(pause_s)

        threading.Thread(target=work, name="clean-runs", daemon=True).start()
        return stop

    def _clean_quietly(self) -> None:
        """One failure, of a disk that is gone for a moment, must not end the cleaning for good."""
        try:
            self.clean()
        except OSError as error:
            log.warning("old runs are not deleted: %s", error)

    def _folder(self, path: Path | str) -> Path | None:
        """The folder right below the root on the way to a path, None where the path lies elsewhere."""
        with suppress(ValueError):  # not below the root
            parts = Path(path).relative_to(self.root).parts
            return self.root / parts[0] if parts and ".." not in parts else None
        return None

    def _is_run(self, folder: Path) -> bool:
        return bool(_RUN.fullmatch(folder.name)) and _is_own(folder, stat.S_ISDIR)

    def _is_upload(self, folder: Path) -> bool:
        return bool(re.fullmatch(_HASH, folder.name)) and _is_own(folder, stat.S_ISDIR)

    def _leftovers(self) -> Iterator[Path]:
        """What lies in the root and is a run's folder or an upload's, one that was never finished, or features."""
        features = self.root / FEATURES
        if _is_own(features, stat.S_ISDIR):
            yield from (path for path in features.iterdir() if _is_own(path, stat.S_ISREG))
        for path in self.root.iterdir():
            kinds = (stat.S_ISDIR, stat.S_ISREG)
            if self._is_run(path) or (_UPLOADED.fullmatch(path.name) and any(_is_own(path, kind) for kind in kinds)):
                yield path


def _own_folder(root: Path) -> Path:
    """The root with links before it followed, made if it was not there, closed to others. Raises OptionError.

    A folder that was there must be empty or bear our mark: what else lies in one would be closed, and old files of it
    might be taken for uploads.
    """
    root = root.absolute()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=OWN)
        if not _is_own(root, stat.S_ISDIR):
            raise OptionError(f"{root} is a link or belongs to somebody else: name a folder of your own with --root")
        if not (root / _MARK).is_file() and any(root.iterdir()):
            raise OptionError(f"{root} holds other things already: name a new or empty folder with --root")
        (root / _MARK).touch()
        root.chmod(OWN)
    except FileExistsError:
        raise OptionError(f"{root} is a file where the folder of the runs must go: name another with --root") from None
    except OSError as error:
        raise OptionError(failure(error, root)) from None
    return root.resolve()


def _is_straight(path: Path | str) -> bool:
    """Whether a path leads where it says, over no link."""
    try:
        return os.path.realpath(path) == os.fspath(path)
    except ValueError:  # a NUL in it
        return False


def _is_own(path: Path, kind: Callable[[int], bool]) -> bool:
    """Whether something of a kind, and no link to it, is there and belongs to the user of this process."""
    try:
        found = path.lstat()
    except (OSError, ValueError):  # a name with a NUL in it
        return False
    # Windows has no user ids; there the folder's access list, which the user's cache inherits, keeps others out.
    owner = getattr(os, "getuid", lambda: found.st_uid)()
    return kind(found.st_mode) and found.st_uid == owner


def _touched_s(path: Path) -> float:
    """When a file, or the newest thing in a folder, was last changed; seconds since 1970. Links are not followed."""
    newest_s = _changed_s(path)
    for folder, folders, files in os.walk(path):
        newest_s = max([newest_s, *(_changed_s(Path(folder, name)) for name in (*folders, *files))])
    return newest_s


def _changed_s(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:  # gone while we looked: then it is in use
        return time.time()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
