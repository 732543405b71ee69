"""Models are loaded once, and whoever needs them meanwhile waits."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from video2music.studio import warming


@pytest.fixture
def loads(monkeypatch):
    """When loading began and ended; nothing is loaded."""
    steps = []

    def load():
        steps.append("begun")
        time.sleep(0.2)
        steps.append("done")

    monkeypatch.setattr(warming, "_load", load)
    monkeypatch.setattr(warming, "_done", threading.Event())
    return steps


def test_of_many_who_need_the_models_one_loads_and_the_others_wait(loads):
    def need(_):
        warming.ready()
        return loads[-1]

    warming.begin()
    with ThreadPoolExecutor(4) as people:
        assert list(people.map(need, range(4))) == ["done"] * 4
    warming.begin()
    assert loads == ["begun", "done"]


def test_what_failed_is_tried_again(loads, monkeypatch):
    quick = warming._load
    monkeypatch.setattr(warming, "_load", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        warming.ready()
    monkeypatch.setattr(warming, "_load", quick)
    warming.ready()
    assert loads == ["begun", "done"]
