"""What every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from emotion.runtime import wait_quietly

wait_quietly()  # pytest-xdist gives every core a process

# The same examples in every run; `make test-random` draws new ones. No deadline: on a machine that does
# other work the first example of many a test, which also imports, takes longer than the 200 ms that it would have.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None, print_blob=True)  # `make test-random`
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real clips and data: V2M_DATA, or `../shared` beside the checkout."""
    folder = Path(os.environ.get("V2M_DATA", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the real clips and data at {folder}: set V2M_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or fills the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("V2M_CACHE", str(folder))
        yield folder
