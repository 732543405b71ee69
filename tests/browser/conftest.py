"""The page in a real browser: app.py as a process of its own, Debian's Chromium before it, a clip to score.

Without Chromium the tests here are skipped; V2M_BROWSER=required turns that into a failure.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.server import Server, chromium_here, opened, serving
from tests.browser.visitor import Visitor
from video2music import demo
from video2music.media.encode import encode_video


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    found = chromium_here()
    if found is None:
        told = "needs Chromium: sudo apt-get install chromium, or set V2M_CHROMIUM to the program"
        if os.environ.get("V2M_BROWSER") == "required":
            pytest.fail(told)
        pytest.skip(told)
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with opened(chromium) as window:
        yield window


@pytest.fixture(scope="session")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """app.py, started as `make app` does, on a free port; all it writes lies in a folder of the test's."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder) as running:
        yield running


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
    return encode_video(pictures, path, fps=8, size=(demo.WIDTH, demo.HEIGHT))


@pytest.fixture
def visitor(browser: Browser, server: Server) -> Iterator[Visitor]:
    """Somebody who has just opened the page; what went wrong in their tab is looked at afterwards."""
    someone = Visitor(browser, server.address)
    someone.open()
    yield someone
    someone.close()
    assert someone.faults == []
    assert someone.strangers() == set()
