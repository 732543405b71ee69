"""Models are loaded once, and whoever needs them meanwhile waits."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from video2music.studio import preload


@pytest.fixture
def loads(monkeypatch):
    """When loading began and ended; nothing is loaded."""
    steps = []

    def load():
        steps.append("started")
        time.sleep(0.2)
        steps.append("done")

    monkeypatch.setattr(preload, "_load", load)
    monkeypatch.setattr(preload, "_done", threading.Event())
    return steps


def test_of_many_who_need_the_models_one_loads_and_the_others_wait(loads):
    def need(_):
        preload.wait()
        return loads[-1]

    preload.start()
    with ThreadPoolExecutor(4) as people:
        assert list(people.map(need, range(4))) == ["done"] * 4
    preload.start()
    assert loads == ["started", "done"]


def test_what_failed_is_tried_again(loads, monkeypatch):
    quick = preload._load
    monkeypatch.setattr(preload, "_load", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        preload.wait()
    monkeypatch.setattr(preload, "_load", quick)
    preload.wait()
    assert loads == ["started", "done"]
