"""app.py as a process of its own, and Debian's Chromium before it."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from playwright.sync_api import Browser, sync_playwright

from tests.pages import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
START_S = 180  # importing everything on a machine whose cores are taken


@dataclass(frozen=True)
class Server:
    """The running page: its address, the seconds until it answered, what it wrote to its terminal, and its process."""

    address: str
    start_s: float
    log: Path
    process: "subprocess.Popen[bytes]"


def chromium_here() -> str | None:
    """Where Chromium is; V2M_CHROMIUM names another."""
    return os.environ.get("V2M_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)


@contextmanager
def opened(chromium: str) -> Iterator[Browser]:
    """The browser without its sandbox, which neither root nor most containers may set up; it sees nothing else."""
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage", "--mute-audio"]
        )
        yield window
        window.close()


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[Server]:
    """Run app.py until the end of the block; `environment` is added to that of the process."""
    port = free_port()
    (folder / "tmp").mkdir()
    own = {
        "TMPDIR": str(folder / "tmp"),
        "V2M_CACHE": str(folder / "cache"),
        "PYTHONUNBUFFERED": "1",
    }
    log = folder / "log.txt"
    with log.open("w") as told:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, ROOT / "app.py", "--port", str(port)],
            cwd=folder,
            env={**os.environ, **own, **environment},
            stdout=told,
            stderr=told,
        )
        try:
            address = f"http://127.0.0.1:{port}/"
            _await(address, process, log)
            yield Server(address, time.perf_counter() - begun, log, process)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert process.poll() is None, f"app.py ended with status {process.returncode}:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"app.py answered nothing within {START_S} s:\n{log.read_text()}")
