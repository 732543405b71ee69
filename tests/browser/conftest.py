"""The page in a real browser: app.py as a process of its own, Debian's Chromium before it, a clip to score.

Without Chromium the tests here are skipped; V2M_BROWSER=required turns that into a failure.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visitor import Visitor
from video2music import demo
from video2music.encode import encode

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
START_S = 180  # importing everything on a machine whose cores are taken


@dataclass(frozen=True)
class Server:
    """The running page: its address, the seconds until it answered, and what it wrote to its terminal."""

    address: str
    start_s: float
    log: Path


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is; V2M_CHROMIUM names another."""
    found = os.environ.get("V2M_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        told = "needs Chromium: sudo apt-get install chromium, or set V2M_CHROMIUM to the program"
        if os.environ.get("V2M_BROWSER") == "required":
            pytest.fail(told)
        pytest.skip(told)
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Without its sandbox, which neither root nor most containers may set up; it sees nothing but this page."""
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage", "--mute-audio"]
        )
        yield window
        window.close()


@pytest.fixture(scope="session")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """app.py, started as `make app` does, on a free port; all it writes lies in a folder of the test's."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder) as running:
        yield running


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
            yield Server(address, time.perf_counter() - begun, log)
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of the demo clip's three scenes, with hard cuts at 4 and 7 s."""
    return draw(tmp_path_factory.mktemp("clips") / "my film & más.mp4", dawn=32, drive=24, rain=24)


@pytest.fixture(scope="session")
def short_clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two clips of three and four seconds."""
    folder = tmp_path_factory.mktemp("short")
    return draw(folder / "cloudburst.mp4", rain=24), draw(folder / "seashore.mp4", dawn=32)


def draw(path: Path, **scenes: int) -> Path:
    """A clip of scenes from the demo with so many pictures of each, eight of them a second."""
    pictures = (getattr(demo, name)(index / 8) for name, count in scenes.items() for index in range(count))
    return encode(pictures, path, fps=8, size=(demo.WIDTH, demo.HEIGHT))


@pytest.fixture
def visitor(browser: Browser, server: Server) -> Iterator[Visitor]:
    """Somebody who has just opened the page; what went wrong in their tab is looked at afterwards."""
    someone = Visitor(browser, server.address)
    someone.open()
    yield someone
    someone.close()
    assert someone.faults == []
    assert someone.strangers() == set()
