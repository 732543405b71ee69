"""The figures of a kit against scipy, statistics worked out by hand and published examples."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.video2music.evaluate.listening.kits import drawn_key, rows, table
from video2music.evaluate.listening import results
from video2music.evaluate.listening.results import agreement, alpha, pairs_agreeing, preferences, share, sign_test, vote
from video2music.evaluate.listening.trials import TrialAnswer, read_answers


def answered(tmp_path, key, listeners):
    for name, choose in listeners.items():
        table(tmp_path / f"{name}.csv", rows(key, name, choose))
    return read_answers([tmp_path], key)


@given(a=st.integers(0, 60), b=st.integers(0, 60))
def test_the_sign_test_is_the_sum_of_binomial_chances_that_are_no_greater(a, b):
    if a + b:
        tail = sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)
        assert sign_test(a, b) == pytest.approx(1.0 if a == b else 2 * tail)


@given(of=st.integers(1, 200), data=st.data())
def test_the_interval_is_wilsons(of, data):
    """The formula as published: the shares whose normal test at 95 % does not reject what was found."""
    some = data.draw(st.integers(0, of))
    found, z = share(some, of), stats.norm.ppf(0.975)
    middle = (some + z**2 / 2) / (of + z**2)
    half = z / (of + z**2) * math.sqrt(some * (of - some) / of + z**2 / 4)
    assert (found["low"], found["high"]) == pytest.approx((middle - half, middle + half))
    assert found["mean"] == some / of and found["seeds"] == [some / of]


def test_preferences_leave_out_what_nobody_said():
    assert preferences([]) == {}
    assert set(preferences(["same", "same"])) == {"wins_a", "wins_b", "same"}
    found = preferences(["a", "a", "b", "same", "a"])
    assert [found[name]["mean"] for name in ("wins_a", "wins_b", "same", "prefers_a")] == [3, 1, 1, 0.75]
    assert found["sign_test_p"]["mean"] == pytest.approx(2 * (1 + 4) / 16)


def test_a_vote_goes_to_the_side_that_leads():
    assert [vote(each) for each in (["a", "a", "b"], ["b", "same"], ["a", "b"], ["same"], [])] == ["a", "b"] + 3 * [
        "same"
    ]


def test_alpha_is_that_of_the_published_example():
    """Three coders, fifteen units, four names, gaps: alpha for names is .691 (Krippendorff, 2011)."""
    coders = ("*****34121133*3", "1*213343*******", "**21344*21133*4")
    units = ["".join(unit).replace("*", "") for unit in zip(*coders, strict=True)]
    counts = np.array([[unit.count(name) for name in "1234"] for unit in units if len(unit) > 1])
    assert alpha(counts) == pytest.approx(0.691, abs=5e-4)


@given(st.lists(st.lists(st.sampled_from([0, 1, 2]), min_size=2, max_size=6), min_size=1, max_size=8))
def test_alpha_and_agreement_are_counts_of_pairs(units):
    """Disagreement among pairs within units over that among all pairs, each unit's weighed by its coders less one."""
    counts = np.array([[unit.count(name) for name in range(3)] for unit in units])
    pairs = [(one, other) for unit in units for one, other in combinations(unit, 2)]
    assert pairs_agreeing(counts) == pytest.approx(np.mean([one == other for one, other in pairs]))
    everyone = [name for unit in units for name in unit]
    expected = np.mean([one != other for one, other in combinations(everyone, 2)])
    within = sum(np.mean([a != b for a, b in combinations(unit, 2)]) * len(unit) for unit in units) / len(everyone)
    if expected:
        assert alpha(counts) == pytest.approx(1 - within / expected)
    else:
        assert math.isnan(alpha(counts))


def test_listeners_who_agree_have_alpha_one_and_those_who_guess_about_none():
    assert agreement(np.array([[3, 0, 0], [0, 3, 0]]))["alpha"]["mean"] == 1.0
    assert set(agreement(np.array([[3, 0, 0], [3, 0, 0]]))) == {"agree"}
    assert agreement(np.array([[1, 0, 0], [0, 1, 0]])) == {}
    rng = np.random.default_rng(0)
    guessed = agreement(rng.multinomial(8, [1 / 3] * 3, size=80))
    assert guessed["alpha"]["low"] < 0 < guessed["alpha"]["high"] and abs(guessed["alpha"]["mean"]) < 0.05
    assert guessed["agree"]["mean"] == pytest.approx(1 / 3, abs=0.05)


def test_a_listener_with_preferences_is_distinguished_from_one_who_ticks_a_side(tmp_path):
    key = drawn_key(8, seed=2)
    listeners = {"anna": lambda trial, question: "a", "bo": lambda trial, question: trial.systems[0]}
    found = results.build_report(key, answered(tmp_path, key, listeners))
    rows_ = found["rows"]
    assert rows_["fits, listener anna"]["consistent"]["mean"] == 1.0
    assert rows_["fits, listener bo"]["consistent"]["mean"] == 0.0
    assert rows_["fits, listener bo"]["prefers_a"]["mean"] == 0.5  # sides are balanced
    assert rows_["fits, pairs that came twice"]["consistent"]["mean"] == 0.5
    assert rows_["fits, pairs that came twice"]["repeated"]["mean"] == 4


def test_a_small_study_is_what_it_is_on_paper(tmp_path):
    """Anna prefers a on clips 0 and 1 and b on 2, Bo a on 0, b on 1 and nothing on 2; repeats have equal answers.

    fits: a wins 3, b 2, one same; clip votes a, same, b; listener votes a and same; of three pairs one agrees.
    """
    key = drawn_key(3, seed=5)
    says = {"anna": "aab", "bo": ["a", "b", "same"]}
    listeners = {name: lambda trial, question, picks=picks: picks[int(trial.clip[-1])] for name, picks in says.items()}
    found = results.build_report(key, answered(tmp_path, key, listeners))
    counts = {name: [row[metric]["mean"] for metric in ("wins_a", "wins_b", "same")]
              for name, row in found["rows"].items() if "wins_a" in row}  # fmt: skip
    for question in ("fits", "feels", "nicer"):
        assert counts[question] == counts[f"{question}, sure"] == [3, 2, 1]
        assert counts[f"{question}, a vote a clip"] == [1, 1, 1]
        assert counts[f"{question}, a vote a listener"] == [1, 0, 1]
        assert [counts[f"{question}, clip clip{n}"] for n in range(3)] == [[2, 0, 0], [1, 1, 0], [0, 1, 1]]
        assert counts[f"{question}, listener anna"] == [2, 1, 0]
    assert found["rows"]["fits"]["prefers_a"]["mean"] == 0.6
    assert found["rows"]["fits"]["sign_test_p"]["mean"] == 1.0
    assert found["rows"]["fits, agreement"]["agree"]["mean"] == pytest.approx(1 / 3)
    assert (found["task"], found["data"], found["listeners"], found["unfinished"]) == (
        "listening",
        "ours against theirs",
        2,
        {},
    )


def test_the_second_hearing_counts_for_steadiness_alone(tmp_path):
    key = drawn_key(5, seed=3)
    choose = lambda trial, question: "a" if trial.repeats is None else "b"  # noqa: E731
    found = results.build_report(key, answered(tmp_path, key, {"anna": choose}))["rows"]
    assert [found["fits"][name]["mean"] for name in ("wins_a", "wins_b")] == [5, 0]
    assert found["fits"]["sign_test_p"]["mean"] == pytest.approx(2 / 2**5)
    assert found["fits, pairs that came twice"]["consistent"]["mean"] == 0


def test_the_text_shows_all_and_who_has_not_finished(tmp_path):
    key = drawn_key(4, seed=1)
    listeners = {
        "anna": lambda trial, question: "a" if question == "fits" else "same",
        "bo": lambda trial, question: None if trial.number > 3 else "b",
    }
    found = results.build_report(key, answered(tmp_path, key, listeners))
    text = results.result_tables(found)
    assert f"Not finished: bo (2 of {len(key.trials)} open)." in text
    assert "| all answers | 4 | 3 | 0 | 0.57 [0.25, 0.84] | 1.000 |" in text
    assert "| all answers | 0 | 3 | 4 | 0.00 [0.00, 0.56] | 0.250 |" in text
    assert "| anna | 4 : 0 : 0 | 0 : 0 : 4 | 0 : 0 : 4 |" in text
    assert all(f"| {clip} |" in text for clip in key.clips)


def test_of_music_alone_there_is_one_question(tmp_path):
    key = drawn_key(3, picture=False)
    found = results.build_report(key, answered(tmp_path, key, {"anna": lambda trial, question: "b"}))
    assert {name.split(",")[0] for name in found["rows"]} == {"nicer"}
    assert "fits the picture" not in results.result_tables(found)


def test_names_that_listeners_send_cannot_steer_a_terminal_or_break_a_table():
    key = drawn_key(3)
    trials = [trial for trial in key.trials if trial.repeats is None]
    answers = [TrialAnswer("a\x1b[2J|\nb", trial, dict.fromkeys(trial.questions, "a"), True, "") for trial in trials]
    text = results.result_tables(results.build_report(key, answers))
    assert "\x1b" not in text and r"| a?[2J\|?b |" in text
