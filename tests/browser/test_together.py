"""Two visitors at one server: one stops and begins again while the other waits; each gets only their own."""

import json

import pytest

from tests.browser.visitor import Visitor, stages_in


@pytest.fixture(scope="module")
def pair(browser, server, short_clips):
    """Two visitors, each with a clip of their own, seeds 1 and 2, and one candidate."""
    people = [Visitor(browser, server.address) for _ in short_clips]
    for seed, (someone, clip) in enumerate(zip(people, short_clips, strict=True), 1):
        someone.open()
        someone.upload(clip)
        someone.write("seed", str(seed))
        someone.unfold("More options")
        someone.write("candidates", "1")
    yield people
    for someone in people:
        someone.close()


@pytest.fixture(scope="module")
def fetched(pair, tmp_path_factory):
    """The first begins and stops; then both compose at once. The manifests they fetch, and what the first one saw."""
    first, _ = pair
    first.press("compose")
    first.wait_until(lambda: bool(stages_in(first)), "a stage")
    first.press("compose-cancel")
    first.wait_until(lambda: not first.part("compose-cancel").is_visible(), "the end of what was stopped")
    first.page.wait_for_timeout(2000)  # in which a late word of what was stopped would have come
    assert "Cancelled" in first.part("compose-status").inner_text()
    assert not first.page.get_by_test_id("toast-body").count()
    shown = first.part("results").is_visible()
    for someone in pair:
        someone.press("compose")
    for someone in pair:
        someone.wait_until(
            lambda someone=someone: someone.part("variant-1").locator("video").is_visible(), "a piece", 120
        )
    folder = tmp_path_factory.mktemp("fetched")
    return shown, [json.loads(someone.fetch("download-manifest", folder).read_text()) for someone in pair]


def test_what_was_stopped_shows_no_piece(fetched):
    shown, _ = fetched
    assert not shown


def test_each_gets_the_piece_for_their_own_clip_and_seed(fetched, short_clips):
    _, told = fetched
    assert [one["options"]["seed"] for one in told] == [1, 2]
    for one, clip in zip(told, short_clips, strict=True):
        assert clip.stem in json.dumps(one["files"], ensure_ascii=False)


def test_neither_sees_the_others_clip(fetched, pair, short_clips):
    for someone, foreign in zip(pair, reversed(short_clips), strict=True):
        assert foreign.stem not in someone.page.content()


def test_neither_had_a_fault_or_asked_a_stranger(fetched, pair):
    for someone in pair:
        assert someone.faults == []
        assert someone.strangers() == set()
