"""Training of ADFF: what is drawn, what is mixed, what is learnt, and that every option counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.affect import VA_ANCHORS
from emotion.errors import DataError
from emotion.features import acoustics
from emotion.judge import Segment
from emotion.models.adff import ADFFConfig, padded
from emotion.train import adff
from emotion.train.adff import ADFFTrainConfig, ADFFTrainingPiece
from emotion.train.dataset import PieceVersions, TrainingPiece

SMALL = ADFFConfig(hidden=4, width=8, members=1, dropout=0.1)
OWN = replace(SMALL, cuts=3, numbers=0, widths=(4, 4, 4, 6, 6))
QUICK = ADFFTrainConfig(steps=3, batch=6)


def taught(number, quadrant=None, *, source="fourq", rows=3, versions=1, affect=None, strength=0.0):
    """A piece whose rows by chance are stronger in some columns by its quadrant."""
    quadrant = number % 4 if quadrant is None else quadrant
    rng = np.random.default_rng(number)
    piece = TrainingPiece(
        source, f"p{number}", frozenset({f"artist {number}"}), number % 10, quadrant, affect, Path("p"), number
    )
    made = []
    for _ in range(versions):
        levels = rng.normal(size=(rows, 36, 128)).astype(np.float32)
        levels[:, :, 32 * quadrant : 32 * quadrant + 32] += strength
        mel = rng.normal(-40, 8, (300 * rows, 96)).astype(np.float32)
        made.append(Segment(mel, None, 6.0 * rows, {"vgg": levels}))
    return adff.prepare(PieceVersions(piece, tuple(made)))


CROWD = [taught(number, versions=1 + number % 2, rows=1 + number % 4) for number in range(12)]


def weights(model):
    return torch.cat([value.detach().flatten() for value in model.parameters()])


def piece(source, quadrant, affect=None):
    return TrainingPiece(source, "p", frozenset(), 0, quadrant, affect, Path("p"), 0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["fourq", "ym2413", "emopia"]), st.integers(0, 3)), min_size=1, max_size=60))
def test_sets_are_as_likely_as_each_other_and_of_a_set_a_quadrant_by_the_root_of_its_size(kinds):
    chances = adff._weights([ADFFTrainingPiece(piece(*kind), (), np.zeros((0, 176), np.float32)) for kind in kinds])
    assert chances.sum() == pytest.approx(1) and (chances > 0).all()
    sources = {source for source, _ in kinds}
    for source in sources:
        own = [(quadrant, chance) for (name, quadrant), chance in zip(kinds, chances, strict=True) if name == source]
        sizes = np.bincount([quadrant for quadrant, _ in own], minlength=4)
        roots = np.sqrt(sizes) / np.sqrt(sizes).sum() / len(sources)
        for quadrant, size, share in zip(range(4), sizes, roots, strict=True):
            shares = [chance for other, chance in own if other == quadrant]
            assert shares == pytest.approx([share / max(size, 1)] * size)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 2), st.floats(0, 0.9), st.integers(0, 10**6))
def test_mixed_labels_are_still_shares_of_one(mix, smooth, seed):
    """A network that says nothing loses log 4 whatever the labels, if only they sum to 1."""
    recipe = ADFFTrainConfig(mix=mix, smooth=smooth, tasks=("quadrants",))
    observed = []

    def silent(rows, mask, numbers):
        observed.append((rows.shape, mask, numbers.shape))
        return torch.zeros(len(rows), 4), torch.zeros(len(rows), 2)

    loss = adff._loss(adff.ADFFEnsemble(SMALL), silent, CROWD, recipe, np.random.default_rng(seed))
    assert float(loss) == pytest.approx(np.log(4), rel=1e-5)
    ((shape, mask, scores),) = observed
    assert (
        shape[0] == 12
        and 1 <= shape[1] <= adff.MOST_ROWS
        and mask.all()
        and mask.shape == shape[:2]
        and scores == (12, 176)
    )


@torch.no_grad()
def test_both_tasks_lose_what_each_loses():
    parts = []
    for tasks in (("quadrants",), ("affect",), ("quadrants", "affect")):
        recipe = replace(QUICK, tasks=tasks)
        torch.manual_seed(0)
        model = adff.ADFFEnsemble(SMALL).eval()
        parts.append(float(adff._loss(model, model.networks[0], CROWD, recipe, np.random.default_rng(0))))
    assert parts[0] > 0 and parts[1] > 0
    assert parts[2] == pytest.approx(parts[0] + parts[1], rel=1e-5)


def test_a_piece_is_at_its_raters_place_or_that_of_its_quadrant_and_its_label_is_smoothed():
    assert adff._point(piece("vgmidi", 1, (-0.3, 0.9))).tolist() == pytest.approx([-0.3, 0.9])
    assert adff._point(piece("fourq", 3)).tolist() == pytest.approx(VA_ANCHORS["q4"])
    assert adff._label(piece("fourq", 2), 0.2).tolist() == pytest.approx([0.05, 0.05, 0.85, 0.05])
    assert adff._label(piece("fourq", 3), 0.0).tolist() == [0, 0, 0, 1]


def test_a_training_piece_is_every_version_and_a_part_of_each_with_the_numbers_of_all():
    found = taught(3, rows=4, versions=2)
    lengths = [each.duration_s for each in found.segments]
    assert lengths == pytest.approx([23.98, 10, 23.98, 10], abs=0.05)
    assert found.numbers.shape == (4, 176)
    for segment, numbers in zip(found.segments, found.numbers, strict=True):
        np.testing.assert_allclose(numbers, acoustics.describe(segment.mel), rtol=1e-5)
    again = taught(3, rows=4, versions=2)
    np.testing.assert_array_equal(found.numbers, again.numbers)  # parts depend on the piece alone


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 1000))
def test_rows_of_a_segment_are_in_their_order_and_none_twice_if_there_are_enough(count, requested, seed):
    rows = np.arange(count, dtype=np.float32)[:, None, None]
    found = adff._subset(rows, requested, np.random.default_rng(seed)).ravel()
    assert len(found) == requested and set(found) <= set(range(count))
    assert (np.diff(found) >= 0).all() and (count < requested or len(set(found)) == requested)


@given(st.integers(1, 3000), st.integers(0, 1000))
def test_a_run_of_rows_has_none_left_out_and_a_short_sound_is_repeated(count, seed):
    found = adff._crop(np.arange(count, dtype=np.float32)[:, None], np.random.default_rng(seed)).ravel()
    assert len(found) == adff.CROP
    expected = (np.arange(adff.CROP) + found[0]) % max(count, 1) if count < adff.CROP else found[0] + np.arange(1200)
    np.testing.assert_array_equal(found, expected)


def test_it_learns_what_separates_quadrants_and_points():
    known = [taught(number, strength=1.5, rows=1) for number in range(24)]
    held = [taught(100 + number, strength=1.5, rows=1) for number in range(12)]
    model = adff.train(known, SMALL, ADFFTrainConfig(steps=40, batch=16, rate=1e-2), seed=0)
    chances, places = adff.predict(model, held)
    truth = np.array([each.piece.quadrant for each in held])
    assert (chances.argmax(1) == truth).mean() > 0.9
    assert np.corrcoef(places[:, 0], np.isin(truth, (0, 3)))[0, 1] > 0.7
    assert np.corrcoef(places[:, 1], truth < 2)[0, 1] > 0.7


def test_one_seed_gives_one_model_and_members_are_of_other_seeds():
    two = replace(SMALL, members=2)
    one, again, other = (adff.train(CROWD, two, QUICK, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(weights(one), weights(again)) and not torch.equal(weights(one), weights(other))
    assert not torch.equal(weights(one.networks[0]), weights(one.networks[1]))
    assert not one.training


@pytest.fixture(scope="module")
def plain():
    return weights(adff.train(CROWD, SMALL, QUICK, seed=0))


CHANGES = {
    "steps": 4, "batch": 5, "rate": 1e-3, "decay": 0.5, "mix": 0.1, "smooth": 0.3, "tasks": ("affect",)
}  # fmt: skip


def test_every_option_of_the_recipe_is_tried():
    assert set(CHANGES) == set(vars(ADFFTrainConfig()))


@pytest.mark.parametrize("option", CHANGES)
def test_every_option_of_the_recipe_counts(plain, option):
    changed = adff.train(CROWD, SMALL, replace(QUICK, **{option: CHANGES[option]}), seed=0)
    assert not torch.equal(weights(changed), plain)


@pytest.mark.parametrize(("task", "untouched"), [("quadrants", "affect"), ("affect", "quadrants")])
def test_a_task_that_is_not_learnt_moves_its_head_by_decay_alone(task, untouched):
    model = adff.train(CROWD, SMALL, replace(QUICK, tasks=(task,), decay=0.0), seed=0)
    torch.manual_seed(0)
    fresh = adff.ADFF(SMALL)
    assert torch.equal(getattr(model.networks[0], untouched).weight, getattr(fresh, untouched).weight)
    assert not torch.equal(getattr(model.networks[0], task).weight, getattr(fresh, task).weight)


def test_each_piece_is_predicted_whole_and_as_if_alone():
    model = adff.train(CROWD, SMALL, QUICK, seed=0)
    chances, places = adff.predict(model, CROWD)
    assert chances.shape == (12, 4) and chances.sum(1) == pytest.approx(np.ones(12), abs=1e-5)
    for index, each in enumerate(CROWD):
        with torch.inference_mode():
            whole = padded([each.segments[0].rows["vgg"]])
            logits, place = model(*whole, torch.from_numpy(acoustics.describe(each.segments[0].mel)[None]))
        np.testing.assert_allclose(chances[index], logits.softmax(1)[0], atol=1e-6)
        np.testing.assert_allclose(places[index], place[0], atol=1e-6)


def test_numbers_are_scored_by_the_pieces_that_are_learnt():
    model = adff.train(CROWD, SMALL, QUICK, seed=0)
    numbers = np.concatenate([each.numbers for each in CROWD])
    np.testing.assert_allclose(model.centre, numbers.mean(0), atol=1e-3, rtol=1e-4)
    np.testing.assert_allclose(model.scale, numbers.std(0, ddof=1) + 1e-3, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("cuts", [1, 3])
def test_blocks_of_our_own_are_trained_and_predicted_on_log_mel(cuts):
    config = replace(OWN, cuts=cuts)
    model = adff.train(CROWD[:4], config, ADFFTrainConfig(steps=2, batch=2), seed=0)
    chances, places = adff.predict(model, CROWD[:4])
    assert np.isfinite(chances).all() and np.isfinite(places).all()
    assert np.abs(chances - chances[0]).max() > 0


def test_nothing_to_train_on_is_reported_in_a_sentence():
    with pytest.raises(DataError, match="nothing to train on"):
        adff.train([], SMALL, QUICK, seed=0)
