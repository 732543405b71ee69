"""What a batch is to do, and the lines it writes about it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.batch import journal, summary
from video2music.batch.jobs import BatchError, Job, Shard, find, plan
from video2music.batch.journal import DONE, FAILED, WAITING, JobResult
from video2music.errors import OptionError
from video2music.options import Options


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_a_folder_gives_its_videos_at_any_depth_but_nothing_hidden_and_no_result(tmp_path):
    touch(tmp_path, "b.MP4", "deep/er/a.webm", "notes.txt", ".hidden.mp4", ".git/c.mp4", "out/b/b.scored.mp4")
    found = find([str(tmp_path)], tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["b.MP4", "deep/er/a.webm"]


def test_a_pattern_gives_what_it_matches_and_a_file_is_taken_whatever_its_name(tmp_path):
    touch(tmp_path, "a1.mp4", "a2.mp4", "b.mp4", "movie.bin", "x/a3.mp4", "[1].mp4")
    names = [path.name for path in find([f"{tmp_path}/a*.mp4", f"{tmp_path}/movie.bin"], tmp_path / "out")]
    assert names == ["a1.mp4", "a2.mp4", "movie.bin"]
    assert [path.name for path in find([f"{tmp_path}/**/a3.mp4"], tmp_path / "out")] == ["a3.mp4"]
    assert [path.name for path in find([f"{tmp_path}/[1].mp4"], tmp_path / "out")] == ["[1].mp4"]


def test_broken_and_circular_links_are_reported_as_clips(tmp_path):
    links = [tmp_path / "circle.mp4", tmp_path / "dangling.mp4"]
    for link, target in zip(links, ("circle.mp4", "nowhere.mp4"), strict=True):
        link.symlink_to(target)
    assert find(map(str, links), tmp_path / "out") == links
    for job in plan(Job(link, Options()) for link in links):
        with pytest.raises(FileNotFoundError):
            job.key()


@pytest.mark.parametrize("given_", ["nowhere.mp4", "nothing*.mp4", "empty"])
def test_what_gives_no_clip_is_refused_by_name(tmp_path, monkeypatch, given_):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BatchError, match=given_.replace("*", r"\*")):
        find([given_], tmp_path / "out")


def test_the_plan_does_not_depend_on_the_order_of_what_is_requested(tmp_path):
    touch(tmp_path, "x/a.mp4", "y/a.mp4", "b.mp4")
    requested = [
        Job(tmp_path / name, Options(seed=seed)) for name in ("x/a.mp4", "y/a.mp4", "b.mp4") for seed in (0, 1)
    ]
    jobs = plan(requested)
    assert jobs == plan(reversed(requested)) and len({job.name for job in jobs}) == 6


def test_a_key_follows_content_and_options_and_nothing_else(tmp_path):
    touch(tmp_path, "a.mp4", "curve.csv")
    (tmp_path / "b.mp4").write_text("a.mp4")

    def key(name, **options):
        return plan([Job(tmp_path / name, Options(**options))])[0].key()

    assert key("a.mp4") == key("b.mp4")
    curved = key("a.mp4", curve=str(tmp_path / "curve.csv"))
    assert len({key("a.mp4"), key("a.mp4", seed=1), curved}) == 3
    (tmp_path / "curve.csv").write_text("another curve")
    assert key("a.mp4", curve=str(tmp_path / "curve.csv")) != curved
    (tmp_path / "b.mp4").write_text("more")
    assert key("a.mp4") != key("b.mp4")


@given(st.integers(0, 40), st.integers(1, 9))
def test_shards_are_disjoint_even_and_make_the_whole(jobs, count):
    parts = [Shard(number, count).of(range(jobs)) for number in range(1, count + 1)]
    assert sorted(job for part in parts for job in part) == list(range(jobs))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(OptionError):
        Shard.parse(text)


texts = st.text(st.characters(codec="utf-8"), max_size=20)
results = st.builds(
    JobResult,
    status=st.sampled_from([DONE, FAILED]),
    clip=texts,
    name=texts,
    error=texts,
    manifests=st.lists(texts, max_size=3).map(tuple),
    warnings=st.lists(texts, max_size=3).map(tuple),
    duration_s=st.none() | st.floats(0, 1e6),
)


@given(results)
def test_a_line_round_trips_a_result(result):
    line = result.line()
    assert line.count("\n") == 1 and JobResult.parse(line) == result


@settings(deadline=None)  # it waits for the disk
@given(st.lists(results, min_size=1, max_size=4), st.data())
def test_a_journal_that_was_cut_anywhere_loses_at_most_its_last_line_and_goes_on(tmp_path_factory, recorded, data):
    out = tmp_path_factory.mktemp("out")
    with journal.open_journal(out, Shard()) as book:
        for result in recorded:
            book.add(result)
    path = out / "batch.jsonl"
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    ends = [0]
    for result in recorded:
        ends.append(ends[-1] + len(result.line()))
    kept = sum(end - 1 <= cut for end in ends[1:])  # a line that lacks only its end says all
    assert journal.read(out) == recorded[:kept]
    with journal.open_journal(out, Shard()) as book:
        book.add(recorded[-1])
    assert journal.read(out) == [*recorded[:kept], recorded[-1]]


def test_malformed_lines_are_skipped(tmp_path, caplog):
    good = JobResult(DONE, "a.mp4", "a")
    strange = ["[]", "7", "null", '{"status": "done"}', json.dumps({"status": "odd", "clip": "a", "name": "a"}), "\x00"]
    (tmp_path / "batch.jsonl").write_text("\n".join(strange) + "\n" + good.line())
    assert journal.read(tmp_path) == [good]
    assert len(caplog.records) == len(strange)


SOME = (
    JobResult(DONE, "/v/a & b.mp4", "a & b", files={"video": "a & b/é\udce9?.mp4"}, duration_s=61.0, seconds=3.5),
    JobResult(FAILED, "/v/<script>.mp4", "x", error="it is <bad>, & so on"),
    JobResult(WAITING, "/v/c.mp4", "c"),
)


def test_the_page_is_self_contained_and_escapes_names():
    page = summary.page(SOME)
    assert "<script" not in page and "&lt;script&gt;.mp4" in page and "it is &lt;bad&gt;, &amp; so on" in page
    assert "http" not in page.replace("http-equiv", "") and "src=" not in page
    assert 'href="./a%20%26%20b/%C3%A9%E9%3F.mp4"' in page
    assert page.index("&lt;script&gt;") < page.index("c.mp4") < page.index("a &amp; b.mp4"), "failures come first"


def test_the_table_has_a_row_for_every_clip():
    head, *rows = summary.rows(SOME)
    assert [dict(zip(head, row, strict=True))["status"] for row in rows] == [DONE, FAILED, WAITING]
    assert summary.count_text(SOME) == "1 of 3 clips scored, 1 failed, 1 waiting"
