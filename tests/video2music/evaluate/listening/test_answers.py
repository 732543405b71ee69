"""Answers come back as they were ticked, joined to the systems, or are refused with their line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import DataError
from tests.video2music.evaluate.listening.kits import drawn_key, rows, table
from video2music.evaluate.listening import trials
from video2music.evaluate.listening.trials import QUESTIONS

KEY_FILE = drawn_key(4, seed=1)


@given(seed=st.integers(0, 1000), picks=st.lists(st.sampled_from(["a", "b", "same"]), min_size=20, max_size=20))
def test_what_a_listener_meant_comes_back(tmp_path_factory, seed, picks):
    """Whatever side a system stood on, ticking its side counts for it."""
    key = drawn_key(4, seed=seed)
    meant = {(trial.number, question): picks[(3 * trial.number + place) % 20]
             for trial in key.trials for place, question in enumerate(QUESTIONS)}  # fmt: skip
    path = tmp_path_factory.mktemp("answers") / "anna.csv"
    table(path, rows(key, "anna", lambda trial, question: meant[trial.number, question], comment='so, "so"'))
    found = trials.read_answers([path], key)
    assert {(a.trial.number, name): choice for a in found for name, choice in a.choices.items()} == meant
    assert {(a.listener, a.comment, a.sure) for a in found} == {("anna", 'so, "so"', True)}


def test_a_folder_of_tables_is_read_whole_and_a_byte_order_mark_is_no_matter(tmp_path):
    for name in ("anna", "bo"):
        table(tmp_path / f"{name}.csv", rows(KEY_FILE, name, lambda trial, question: "a", certain="unsure"))
    marked = tmp_path / "bo.csv"
    marked.write_bytes(b"\xef\xbb\xbf" + marked.read_bytes())
    found = trials.read_answers([tmp_path], KEY_FILE)
    assert len(found) == 2 * len(KEY_FILE.trials)
    assert {answer.listener for answer in found} == {"anna", "bo"} and not any(answer.sure for answer in found)


def test_a_table_that_is_named_twice_counts_once(tmp_path):
    path = table(tmp_path / "anna.csv", rows(KEY_FILE, "anna", lambda trial, question: "a"))
    assert len(trials.read_answers([path, path, tmp_path], KEY_FILE)) == len(KEY_FILE.trials)


def test_of_a_pair_without_a_picture_only_the_music_is_answered(tmp_path):
    key = drawn_key(3, picture=False)
    table(tmp_path / "anna.csv", rows(key, "anna", lambda trial, question: "b"))
    found = trials.read_answers([tmp_path / "anna.csv"], key)
    assert {tuple(answer.choices.items()) for answer in found} == {(("nicer", "b"),)}
    stray = (tmp_path / "anna.csv").read_text().replace(",,,", ",1,,", 1)
    (tmp_path / "anna.csv").write_text(stray)
    with pytest.raises(DataError, match=r"line 2 answers 'fits', which was not asked"):
        trials.read_answers([tmp_path / "anna.csv"], key)


WRONG = {
    "another kit": ("0123456789ab,anna,2", "ffff,anna,2", r"line 3 belongs to kit 'ffff', and this is 0123456789ab"),
    "a pair that is none": ("anna,2", "anna,9", r"line 3 answers pair '9', and there are 5"),
    "a pair that is no number": ("anna,2", "anna,two", r"line 3 answers pair 'two'"),
    "an unknown choice": ("anna,2,1", "anna,2,3", r"line 3 says '3' to 'fits' where 1, 2, same belongs"),
    "no choice": ("anna,2,1", "anna,2,", r"line 3 says '' to 'fits'"),
    "an unknown certainty": ("sure", "certain", r"does not begin with the columns kit,listener"),
    "no certainty": ("sure,\r\n", ",\r\n", r"line 2 says '' where sure or unsure belongs"),
    "no listener": ("anna,2", ",2", r"line 3 names no listener"),
    "a field too many": ("anna,2", "anna,x,2", r"line 3 has 9 fields instead of 8"),
    "semicolons": (",", ";", r"line 1 does not begin with the columns"),
    "a quote that does not end": ("anna,2", '"anna,2', r"is no row of a table"),
    "a pair twice": ("anna,3", "anna,2", r"line 4 answers pair 2 again for listener anna, after .*line 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_right_is_refused_with_its_line(name, tmp_path):
    before, after, words = WRONG[name]
    key = drawn_key(4, seed=0)
    path = table(tmp_path / "anna.csv", rows(key, "anna", lambda trial, question: trial.systems[0]))
    text = path.read_bytes().decode()
    assert before in text
    count = -1 if name == "semicolons" else 1
    text = text.replace(before, after, count)
    if name == "an unknown certainty":
        text = text.replace("certain", "sure", 1)
    path.write_bytes(text.encode())
    with pytest.raises(DataError, match=words) as refusal:
        trials.read_answers([path], key)
    assert str(path) in str(refusal.value) and "\n" not in str(refusal.value)


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "latin.csv").write_bytes("kit,größe".encode("latin-1"))
    (tmp_path / "empty.csv").touch()
    (tmp_path / "none").mkdir()
    table(tmp_path / "header.csv", [])
    expected = {"latin.csv": "UTF-8", "empty.csv": "does not begin", "none": "no .csv files", "header.csv": "no answer",
                "x.csv": "cannot be read"}  # fmt: skip
    for name, words in expected.items():
        with pytest.raises(DataError, match=words):
            trials.read_answers([tmp_path / name], KEY_FILE)
