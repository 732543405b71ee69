"""The visitor's eyes, on pages whose faults are known: the tests of our page would see such faults."""

import pytest

from tests.browser.visitor import NARROW, Visitor

WIDE_TABLE = "<div style='width: 900px; height: 20px'>wide</div>"


@pytest.fixture(scope="module")
def reader(browser):
    """A visitor with a narrow window who looks at pages of the test's own."""
    someone = Visitor(browser, "http://page.invalid/", size=NARROW)
    yield someone
    someone.close()


def test_what_is_wider_than_the_window_is_seen(reader):
    reader.page.set_content(WIDE_TABLE)
    assert any("to 9" in found for found in reader.overflowing())


@pytest.mark.parametrize("hidden", ["visibility: hidden; position: fixed", "display: none"])
def test_what_nobody_sees_does_not_count(reader, hidden):
    reader.page.set_content(f"<div style='{hidden}'>{WIDE_TABLE}</div>")
    assert reader.overflowing() == []


def test_what_scrolls_by_itself_may_be_wide(reader):
    reader.page.set_content(f"<div style='overflow-x: auto; width: 200px'>{WIDE_TABLE}</div>")
    assert reader.overflowing() == []


def test_a_field_without_a_name_is_seen(reader):
    reader.page.set_content("<input><button></button><label>Key <input></label><button aria-label='Go'></button>")
    assert sorted(reader.nameless()) == ["button", "textbox"]


def test_another_host_and_an_error_of_the_console_are_noted(reader):
    reader.page.set_content("<script>console.error('broken')</script><img src='http://127.0.0.1:9/font.png'>")
    assert reader.strangers() == {"http://127.0.0.1:9/font.png"}
    assert any("broken" in fault for fault in reader.faults)
