"""The page on alignment: read back by Python's own HTML parser, with names that would break a careless one."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotion.svg import clock, shown
from tests.video2music.evaluate.alignment.test_evaluation import built, drawn
from video2music.evaluate.alignment.evaluation import CHANCE, OWN, alignment_tables
from video2music.evaluate.alignment.page import curve_chart, interval_chart, page, summary_text
from video2music.evaluate.alignment.pairs import FailedPair

VOID = {"meta", "rect", "line", "circle", "polyline"}
NASTY = '<script>alert(1)</script> & "quoted" $judge {x}.mp4'


class Reader(HTMLParser):
    """Collects tags and text, and fails where a tag is closed that is not open."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def report():
    prediction = [drawn(seed, seconds) for seed, seconds in enumerate((40, 30, 9))]
    prediction[1] = replace(prediction[1], name=NASTY)
    return built(prediction, [FailedPair("bad", "<b>bad.mp4</b> is empty")])


@pytest.fixture(scope="module")
def reader(report):
    return read(page(report))


def test_names_of_files_are_text_and_never_tags(reader):
    assert "script" not in reader.tags and "b" in reader.tags
    assert f"2 · {NASTY}" in reader.text
    assert "<b>bad.mp4</b> is empty" in reader.text


def test_the_page_asks_for_nothing_from_outside(report, reader):
    text = page(report)
    names = {name for name, _ in reader.attributes}
    assert names.isdisjoint({"src", "href", "srcset", "data", "action"}) and not [
        n for n in names if n.startswith("on")
    ]
    assert {"link", "script", "iframe", "img", "object"}.isdisjoint(reader.tags)
    assert "://" not in text and "url(" not in text and "@import" not in text
    assert any("default-src 'none'" in value for name, value in reader.attributes if name == "content")


def test_every_number_that_is_drawn_is_one(report):
    text = page(report)
    assert "nan" not in re.sub(r"[a-z]{4,}", "", text) and "inf," not in text
    for coordinates in re.findall(r'points="([^"]*)"', text):
        assert all(len([float(part) for part in pair.split(",")]) == 2 for pair in coordinates.split())


def test_every_placeholder_is_filled(report):
    assert "$" not in page(report).replace("$judge {x}", "")


def test_the_page_shows_the_judge_with_its_whole_sha256_and_the_commit(report, reader):
    text = "".join(reader.text)
    assert report["judge"]["sha256"] in text and "plain" in text and "no part in composing" in text
    assert not report["commit"] or report["commit"] in text


def test_the_confusions_are_those_of_the_report(report, reader):
    text = "".join(f" {part} " for part in reader.text)
    cells = [int(number) for number in re.findall(r" (\d+)  \d+\s%", text)]
    filled = [
        count for kind in ("windows", "videos") for row in report["confusion"][kind] if sum(row) for count in row[:4]
    ]
    assert [cell for cell in cells if cell] == [count for count in filled if count]


def test_every_video_has_two_curves_and_a_plane(report, reader):
    labels = [value for name, value in reader.attributes if name == "aria-label"]
    for video in report["videos"]:
        assert sum(video["name"] in label for label in labels) == 3


@given(st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_name_comes_back_as_it_can_be_shown(report, name):
    first, *others = report["videos"]
    text = "".join(read(page({**report, "videos": [{**first, "name": name}, *others]})).text)
    assert f"1 · {shown(name)}" in text


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [(0.01, 0.2, "better than chance"), (-0.2, -0.01, "worse than chance"), (-0.1, 0.1, "do not show")],
)
def test_the_finding_is_no_stronger_than_its_interval(report, low, high, told):
    gain = {"mean": (low + high) / 2, "low": low, "high": high}
    assert told in summary_text({**report, "differences": {OWN: {"match": gain}}})


def test_without_chance_and_without_videos_the_finding_says_so(report):
    alone = {name: row for name, row in report["rows"].items() if name != CHANCE}
    assert "a chance level takes more videos" in summary_text({**report, "rows": alone})
    nothing = built([], [FailedPair("a", "a is empty")])
    assert "No music could be judged" in "".join(read(page(nothing)).text)


def test_two_of_three_videos_with_a_chance_level_are_too_few_to_show_it():
    one, other, third = drawn(1, 30), drawn(2, 30), drawn(3, 30)
    wished = replace(third, target=other.target)
    found = built([one, other, replace(wished, pair=replace(wished.pair, video=one.pair.video))])
    assert "a chance level takes more videos" in summary_text(found) and "a chance level takes more videos" in "".join(
        read(page(found)).text
    )
    assert alignment_tables(found)


def test_what_is_predicted_higher_is_drawn_higher():
    video = built([drawn(3, 12)])["videos"][0]
    low, high = ({**video, "compared": [{**w, "valence": value} for w in video["compared"]]} for value in (-0.5, 0.5))
    heights = [
        float(re.findall(r'dot-music" cx="[\d.]+" cy="([\d.]+)"', curve_chart(each, "valence"))[0])
        for each in (low, high)
    ]
    assert heights[0] > heights[1]


def test_an_interval_is_drawn_where_it_lies():
    drawing = interval_chart({"mean": 0.0, "low": -1.0, "high": 5.0}, None, (-1.0, 1.0))
    assert re.search(r'whisker own" x1="8.0" y1="10.0" x2="292.0"', drawing) and 'cx="150.0"' in drawing


@pytest.mark.parametrize(("time_s", "told"), [(0, "0 s"), (9.6, "10 s"), (125, "2:05"), (3600, "60:00")])
def test_times_are_minutes_and_seconds(time_s, told):
    assert clock(time_s) == told
