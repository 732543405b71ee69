"""A clip is watched as soon as it is there, and only as long as it is."""


def test_a_clip_that_is_taken_away_leaves_nothing_and_the_next_is_watched(visitor, clip, short_clips):
    visitor.give("clip", clip)
    visitor.part("clip").get_by_role("button", name="Clear").click()
    visitor.page.wait_for_timeout(3000)  # in which watching would have ended
    assert visitor.part("watched").locator("svg").count() == 0
    visitor.upload(short_clips[0])
    assert "3 s with no cuts" in visitor.part("watched").inner_text()
