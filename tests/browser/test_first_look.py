"""The page as it is before anything is done: quick, whole at any width, in light and dark, alone with its server."""

import os

import pytest
from playwright.sync_api import Browser

from tests.browser.server import Server
from tests.browser.visitor import NARROW, WIDE, Visitor

USABLE_S = 3.0  # on a machine that has nothing else to do


@pytest.fixture(scope="module", params=[(WIDE, False), (NARROW, True)], ids=["wide and light", "narrow and dark"])
def looked_at(request, browser: Browser, server: Server):
    """A visitor with another window, and the seconds until the page could be used."""
    size, dark = request.param
    someone = Visitor(browser, server.address, size=size, dark=dark)
    seconds = someone.open()
    yield someone, seconds
    someone.close()


def test_the_first_page_can_be_used_at_once(looked_at, record_property):
    _, seconds = looked_at
    record_property("usable_s", seconds)
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)  # programs for each core, this one among them
    assert seconds < USABLE_S * max(1.0, 2 * waiting)


def test_nothing_reaches_out_of_the_window(looked_at):
    someone, _ = looked_at
    assert someone.overflowing() == []


def test_every_field_and_button_says_what_it_is_for(looked_at):
    someone, _ = looked_at
    assert someone.nameless() == []


def test_no_other_host_is_asked_and_the_console_is_silent(looked_at):
    someone, _ = looked_at
    assert someone.asked and someone.strangers() == set()
    assert someone.faults == []
