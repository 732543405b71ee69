"""Candidates are compared at section ends and halved; the best is selected, the same for the same seed."""

import math
from itertools import pairwise

import numpy as np
import pytest

from emotion import alignment
from emotion.affect import expected_point
from tests.video2music.listening import RuleJudge, report
from video2music import pipeline
from video2music.arranging import midi
from video2music.composing import degeneracy, search
from video2music.composing.draft import arrange_score
from video2music.composing.form import plan
from video2music.options import Options
from video2music.styles import load_style
from video2music.values import Cut, VideoFeatures

PIANO = load_style("piano")


def video_features(seconds=44.0, cuts=(11.0, 24.0)):
    """Features of a clip with a little of everything."""
    rows = math.ceil(seconds)
    rng = np.random.default_rng(0)
    emotion = rng.dirichlet(np.ones(6), rows).astype(np.float32)
    motion = rng.gamma(2.0, 4.0, rows).astype(np.float32)
    offset = np.arange(rows, dtype=np.float32) % 11
    strong = tuple(Cut(time_s, 20.0) for time_s in cuts)
    return VideoFeatures(seconds, "color", emotion, motion, offset, expected_point(emotion), strong)


FEATURES = video_features()
REQUEST = {"emotion": "q2", "seed": 3}


def written(candidates, judge=None, **options):
    return pipeline.compose_piece(
        FEATURES, Options(candidates=candidates, **(REQUEST | options)), judge=judge or RuleJudge()
    )


@pytest.fixture(scope="module")
def eight():
    judge = RuleJudge()
    return judge, written(8, judge)


def test_the_first_candidate_is_the_plain_piece_of_the_seed_byte_for_byte(eight, tmp_path):
    alone, searched = written(1), eight[1].search.candidates[0].composition
    assert alone.search is None
    for name, composition in (("alone", alone.composition), ("searched", searched)):
        midi.write(arrange_score(composition), tmp_path / name)
    assert (tmp_path / "alone").read_bytes() == (tmp_path / "searched").read_bytes()


def test_one_seed_selects_the_same_piece_with_the_same_scores(eight):
    again = written(8)
    assert arrange_score(again.composition) == arrange_score(eight[1].composition)
    assert again.search.to_json() == eight[1].search.to_json()
    assert {candidate.seed for candidate in again.search.candidates}.isdisjoint(
        seed for seed, _ in search.candidate_settings(4, 0.5, 8)
    )


def test_the_selected_piece_is_the_one_that_a_fresh_judge_finds_nearest_to_the_target(eight):
    found = eight[1].search
    scores = {}
    for place, candidate in enumerate(found.candidates):
        if candidate.until_s == FEATURES.duration_s:
            (heard,) = RuleJudge().predict_many_notes([(midi.notes_of(candidate.score), FEATURES.duration_s)])
            scores[place] = alignment.match(heard, candidate.composition.target).score
    assert len(scores) >= search.FINALISTS and scores[found.selected] == max(scores.values()) >= scores[0]
    assert found.candidates[found.selected].match.score == pytest.approx(scores[found.selected])


def test_at_each_section_end_half_go_on_and_the_rest_are_written_no_further(eight):
    judge, found = eight[0], eight[1].search
    times = search.comparison_times(found.candidates[0].composition.form, 8)
    assert len(times) == 2
    assert [len(pieces) for pieces in judge.rounds][:2] in ([8, 4], [8, 5])  # the plain piece is never dropped
    for candidate in found.candidates:
        heard_s = [until_s for until_s, _ in candidate.rounds]
        assert heard_s == sorted(heard_s) and candidate.until_s == heard_s[-1]
        steps = candidate.composition.form.steps_s
        assert len(candidate.composition.chords) == len(steps) and steps[-1] <= candidate.until_s
        bars = candidate.composition.form.bars_s
        assert all(np.abs(bars - until_s).min() < 1e-9 for until_s in heard_s if until_s < FEATURES.duration_s)
    assert sum(len(candidate.rounds) == 1 for candidate in found.candidates) >= 3


def test_the_weaker_are_dropped_and_not_the_better(eight):
    found = eight[1].search
    first = [candidate.rounds[0][1] for candidate in found.candidates]
    on = {place for place, candidate in enumerate(found.candidates) if len(candidate.rounds) > 1}
    assert min(first[place] for place in on - {search.BASELINE}) >= max(
        first[place] for place in range(8) if place not in on
    )


def test_a_judge_is_given_what_comes_before_the_comparison_and_nothing_after(eight):
    for pieces in eight[0].rounds:
        for notes, until_s in pieces:
            assert len(notes) and notes.start_s.max() < until_s
            assert notes.end_s.max() > until_s - 3


def test_candidates_differ_in_form_chords_and_playing(eight):
    begun = eight[1].search.candidates
    assert len({candidate.seed for candidate in begun}) == len({candidate.guidance for candidate in begun}) == 8
    assert len({candidate.composition.chords[:8] for candidate in begun}) >= 6
    assert len({candidate.composition.form.sections[0].tempo for candidate in begun}) >= 2
    assert all(candidate.composition.key.mode == "minor" for candidate in begun)


def test_without_strength_there_is_no_guidance_in_any_candidate():
    found = written(3, strength=0.0).search
    assert all(candidate.guidance == (0.0, 0.0) for candidate in found.candidates)


def test_many_candidates_cost_far_less_than_as_many_pieces():
    judge = RuleJudge()
    found = written(16, judge).search
    steps = sum(len(candidate.composition.chords) for candidate in found.candidates)
    assert steps < 0.65 * 16 * len(found.candidates[0].composition.chords)


@pytest.mark.parametrize("candidates", [2, 3, 8, 16, 64])
@pytest.mark.parametrize(
    ("seconds", "cuts"), [(5.0, ()), (30.0, ()), (60.0, (9.0, 31.0)), (240.0, ()), (40.0, (12.0, 14.0, 30.0))]
)
def test_comparison_times_rise_and_leave_enough_music_between_them(candidates, seconds, cuts):
    form = plan(seconds, [Cut(time_s, 20.0) for time_s in cuts], arousal=0.0, style=PIANO)
    times = search.comparison_times(form, candidates)
    assert len(times) <= math.ceil(math.log2(candidates / 2)) if candidates > 2 else not times
    assert not times or min(np.diff([0.0, *times, form.end_s])) >= 8


def test_sections_without_cuts_are_compared_about_every_sixteen_seconds():
    times = search.comparison_times(plan(240.0, (), arousal=0.0, style=PIANO), 16)
    assert len(times) == 3
    assert all(10 < later - earlier < 25 for earlier, later in pairwise([0.0, *times]))


def test_a_degenerate_piece_is_dropped_before_it_is_judged(monkeypatch):
    bad = []

    def check(composition, score):
        return "it is the third" if composition.seed == bad[0] else None

    bad.append(search.candidate_settings(3, 0.5, 4)[2][0])
    monkeypatch.setattr(degeneracy, "CHECKS", {"third": check})
    judge = RuleJudge()
    found = written(4, judge).search
    third = found.candidates[2]
    assert third.rejected == ("it is the third",) and third.match is None and not third.rounds
    assert len(judge.rounds[0]) == 3
    assert found.selected != 2 and found.remark is None


def test_when_all_are_degenerate_the_least_bad_is_selected_with_a_remark(monkeypatch):
    seeds = [seed for seed, _ in search.candidate_settings(3, 0.5, 4)]
    checks = {
        "all": lambda composition, score: "it is bad",
        "most": lambda composition, score: "it is worse" if composition.seed != seeds[1] else None,
    }
    monkeypatch.setattr(degeneracy, "CHECKS", checks)
    judge = RuleJudge()
    found = written(4, judge).search
    assert found.selected == 1 and not any(judge.rounds)
    assert "all candidates are degenerate" in found.remark and "it is bad" in found.remark
    assert found.to_json()["remark"] == found.remark


def test_the_search_reports_progress_after_every_draft_and_can_be_stopped_there():
    told = []
    pipeline.compose_piece(
        FEATURES, Options(candidates=3, **REQUEST), judge=RuleJudge(),
        timer=pipeline.StageTimer(lambda stage, fraction: told.append(fraction) if stage == "search" else None),
    )  # fmt: skip
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1 and len(set(told)) >= 5

    def stop(stage, fraction):
        if stage == "search" and fraction:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        pipeline.compose_piece(
            FEATURES, Options(candidates=3, **REQUEST), judge=RuleJudge(), timer=pipeline.StageTimer(stop)
        )


def test_the_manifest_holds_every_candidate(eight):
    told = eight[1].search.to_json()
    assert told["judge"] == {"name": "rules", "sha256": "5" * 64}
    assert len(told["candidates"]) == 8 and told["selected"] == eight[1].search.selected
    for row, candidate in zip(told["candidates"], eight[1].search.candidates, strict=True):
        assert row["seed"] == candidate.seed and row["guidance"] == list(candidate.guidance)
        assert [heard["score"] for heard in row["rounds"]] == [score for _, score in candidate.rounds]
        assert row["match"]["score"] == row["rounds"][-1]["score"] and row["rejected"] == []


@pytest.mark.slow
def test_selection_brings_the_piece_nearer_to_the_target_over_many_wishes():
    gains = []
    for seed, wish in enumerate(("q1", "q2", "q3", "q4")):
        found = written(8, emotion=wish, seed=seed).search
        gains.append(found.candidates[found.selected].match.score - found.candidates[0].match.score)
    assert min(gains) > 0 and np.mean(gains) > 0.006


def test_the_match_is_over_the_windows_of_a_judge_that_gives_them():
    curve = np.linspace(-0.5, 0.5, 44)

    class Windows(RuleJudge):
        def predict_many_notes(self, pieces):
            return tuple(report((0.0, float(np.clip(until_s / 44, -1, 1))), until_s) for _, until_s in pieces)

    found = written(2, Windows(), emotion=None, valence=0.0, arousal=float(curve[-1])).search
    assert found.candidates[0].match.distance == pytest.approx(0.5)
