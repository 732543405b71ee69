import pytest

from emotion import report
from emotion.errors import OutputError
from video2music.evaluate import tables

PAGE = "# Title\n\n<!-- evaluate chords -->\nold\n<!-- end evaluate chords -->\nmore\n"


def test_the_text_replaces_what_stood_between_the_markers_again_and_again(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    for text in ("| a |\n", "| b |\n"):
        report.put_into(path, "chords", text)
    assert path.read_text() == ("# Title\n\n<!-- evaluate chords -->\n\n| b |\n\n<!-- end evaluate chords -->\nmore\n")
    assert [found.name for found in tmp_path.iterdir()] == ["page.md"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        PAGE.replace("<!-- end evaluate chords -->", ""),
        PAGE + PAGE,
        "<!-- end evaluate chords -->\n<!-- evaluate chords -->\n",
        PAGE.replace("chords", "dynamics"),
    ],
)
def test_a_page_without_one_place_is_refused_and_stays(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text)
    for attempt in (report.check_markers, lambda *a: report.put_into(*a, "new")):
        with pytest.raises(OutputError, match=r"<!-- evaluate chords -->"):
            attempt(path, "chords")
    assert path.read_text() == text


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot be read"):
        report.check_markers(tmp_path / "none.md", "chords")
    (tmp_path / "picture").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(OutputError, match="no text"):
        report.check_markers(tmp_path / "picture", "chords")


def test_a_grid_leaves_out_columns_and_rows_with_nothing_in_them():
    figure = {"mean": 0.12345, "low": 0.1, "high": 0.2}
    rows = {"one": {"bce": figure}, "two": {"hits@1": figure}, "three": {"root": figure}}
    assert tables.metric_table(rows, tables.CHORDS).splitlines() == [
        "|  | Hits@1 | emotion BCE |",
        "|---|---|---|",
        "| one |  | 0.1235 [0.100, 0.200] |",
        "| two | 0.1235 [0.100, 0.200] |  |",
    ]
