"""A clip is analysed as soon as it is uploaded, and only as long as it is there."""


def test_a_clip_that_is_taken_away_leaves_nothing_and_the_next_is_analysed(visitor, clip, short_clips):
    visitor.give("clip", clip)
    visitor.part("clip").get_by_role("button", name="Clear").click()
    visitor.page.wait_for_timeout(3000)  # in which the analysis would have ended
    assert visitor.part("clip-analysis").locator("svg").count() == 0
    visitor.upload(short_clips[0])
    assert "3 s with no cuts" in visitor.part("clip-analysis").inner_text()
