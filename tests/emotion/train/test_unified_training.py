"""Training of the unified model: divergences, mixing, teachers that never know the answer, and options that count."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal, kl_divergence

from emotion.data.registry import DATASETS
from emotion.errors import DataError
from emotion.judge import Segment
from emotion.models.unified import GROUPS, Unified, UnifiedModel, describe, sizes_of
from emotion.train import unified
from emotion.train.dataset import PieceVersions, TrainingPiece
from emotion.train.unified import TeacherTargets, UnifiedTable, UnifiedTrainConfig, UnifiedTrainingPiece
from tests.emotion.plain_model import played

SIZES = sizes_of("mel")
QUICK = UnifiedTrainConfig(steps=3, batch=4, members=2, distil=0.3)
SHARP = UnifiedTrainConfig(width=6.0, ridge=0.01, members=2)
PIECES = st.integers(0, 10**6)


def made(number, quadrant=None, *, source="fourq", groups=None, affect=None, like=None, rows=3):
    """A piece in chance numbers that depend on `like` alone; notes are known in row 0 of MIDI."""
    quadrant = number % 4 if quadrant is None else quadrant
    groups = frozenset({f"artist {number}"} if groups is None else groups)
    piece = TrainingPiece(source, f"p{number}", groups, number % 5, quadrant, affect, Path("p"), number)
    rng = np.random.default_rng(number if like is None else like)
    known = np.ones((rows, 4), bool)
    known[1:, 3] = False
    if source == "fourq":
        known[:, 3] = False
    values = rng.normal(size=(rows, sum(SIZES))).astype(np.float32) * np.repeat(known, SIZES, axis=1)
    return UnifiedTrainingPiece(piece, values.astype(np.float32), known)


def crowd():
    rated = [
        made(200 + n, source="vgmidi", affect=(np.cos(n), np.sin(n)), groups={f"game {n}"}) for n in range(10)
    ]  # fmt: skip
    return [*(made(n) for n in range(12)), *rated]


def weights(model):
    return torch.cat([value.detach().flatten() for value in model.parameters()])


def table_of(items, recipe=QUICK):
    kinds = {DATASETS[each.piece.source].role.kind for each in items}
    return unified._table(
        Unified(unified.UnifiedConfig(SIZES, kinds=len(kinds), members=recipe.members)), items, recipe
    )


shares = st.lists(st.floats(0.01, 0.99), min_size=8, max_size=8)


@settings(deadline=None)
@given(shares)
def test_the_divergence_of_chances_is_that_of_torch_s_bernoullis(values):
    one, other = torch.tensor(values).reshape(2, 1, 4)
    expected = kl_divergence(Bernoulli(probs=other), Bernoulli(probs=one)).sum(-1, keepdim=True)
    torch.testing.assert_close(unified.bernoulli(one, other), expected, atol=1e-4, rtol=1e-4)


def test_chances_of_none_and_of_all_diverge_by_a_number():
    sure = torch.eye(4)
    assert torch.isfinite(unified.bernoulli(sure, sure.flip(0))).all()
    assert unified.bernoulli(sure, sure).abs().max() < 1e-6


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=8, max_size=8), st.floats(0.05, 1), st.floats(0.05, 1))
def test_the_divergence_of_places_is_that_of_torch_s_gaussians_on_both_axes(values, first, second):
    one, other = torch.tensor(values).reshape(2, 2, 2)
    deviation = torch.tensor([first, second])
    expected = kl_divergence(Normal(other, deviation), Normal(one, deviation)).sum(-1, keepdim=True)
    torch.testing.assert_close(unified.gaussian(one, other, deviation), expected, atol=1e-3, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 2), st.floats(0, 0.9), PIECES)
def test_mixing_keeps_labels_shares_of_one_and_rates_only_what_both_raters_rated(mix, smooth, seed):
    items, recipe = crowd(), replace(QUICK, mix=mix, smooth=smooth)
    table = table_of(items)
    predicted = TeacherTargets(
        torch.softmax(torch.randn(len(table.piece), 4), 1), torch.zeros(len(table.piece), 2), torch.ones(2)
    )
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(table.piece), (2, 9))
    batch = unified._batch(table, predicted, rows, recipe, rng)
    for quadrants in (batch.quadrants, batch.teacher.quadrants):
        np.testing.assert_allclose(quadrants.sum(2), 1, atol=1e-5)
        assert quadrants.min() >= 0
    for member in range(2):  # inputs and labels are mixed by the same share
        low, high = (getattr(table.inputs[rows[member]], way)(0).values for way in ("min", "max"))
        assert (batch.inputs[member] >= low - 1e-5).all() and (batch.inputs[member] <= high + 1e-5).all()
    rated = table.rated.numpy()[rows]
    assert not batch.rated.squeeze(2).numpy()[~rated].any()
    assert batch.affect[~torch.from_numpy(rated)].abs().max() <= 1


def test_every_batch_draws_as_many_of_each_set_for_each_member(monkeypatch):
    drawn, own = [], unified._batch

    def noted(table, predicted, rows, *others):
        drawn.append(table.source[rows])
        return own(table, predicted, rows, *others)

    monkeypatch.setattr(unified, "_batch", noted)
    unified.train(crowd(), replace(QUICK, distil=0.0), seed=0)
    assert len(drawn) == 3
    for sources in drawn:
        assert sources.shape == (2, 8)
        assert ((sources == "fourq").sum(1) == 4).all() and ((sources == "vgmidi").sum(1) == 4).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), PIECES)
def test_a_group_is_hidden_as_a_whole_with_its_flag(hide, seed):
    group = Unified(unified.UnifiedConfig(SIZES, members=1)).group
    inputs = torch.ones(2, 20, sum(SIZES) + 4)
    found = unified._augmented(inputs, group, replace(QUICK, hide=hide, noise=0.0), np.random.default_rng(seed))
    for number in range(4):
        own = found[:, :, group == number]
        assert own.shape[2] == SIZES[number] + 1
        assert ((own == 0).all(2) | (own == 1).all(2)).all()
    assert float((found[:, :, -4:] == 0).float().mean()) == pytest.approx(hide, abs=0.2)


def test_noise_has_the_deviation_that_is_requested():
    group = Unified(unified.UnifiedConfig(SIZES, members=1)).group
    inputs = torch.zeros(2, 40, sum(SIZES) + 4)
    found = unified._augmented(inputs, group, replace(QUICK, hide=0.0, noise=0.3), np.random.default_rng(0))
    assert float(found.std()) == pytest.approx(0.3, rel=0.02) and float(found.mean()) == pytest.approx(0, abs=0.01)


def taught(items):
    found = unified._teacher_targets(table_of(items, SHARP), items, SHARP)
    wholes = np.cumsum([0, *(len(each.values) for each in items[:-1])])
    return found.quadrants[wholes].numpy(), found.affect[wholes].numpy()


def folds_of(items):
    return dict(zip((each.piece.name for each in items), unified._inner_folds(items), strict=True))


def elsewhere(item):
    """A number of a piece in another inner fold than the item's."""
    own = unified._inner_folds([item])[0]
    return next(n for n in range(501, 600) if unified._inner_folds([made(n)])[0] != own)


@given(st.lists(st.frozensets(st.sampled_from("abcdefg"), max_size=3), min_size=1, max_size=20))
def test_pieces_that_share_a_group_be_it_through_others_are_in_one_inner_fold(groups):
    found = unified._inner_folds([made(n, groups=own) for n, own in enumerate(groups)])
    for one, other in itertools.combinations(range(len(groups)), 2):
        assert groups[one].isdisjoint(groups[other]) or found[one] == found[other]


def test_a_teacher_never_knows_the_label_of_the_piece_that_it_predicts():
    for quadrant in range(1, 4):
        before, after = (taught([made(0, label), *crowd()[1:]])[0][0] for label in (0, quadrant))
        np.testing.assert_allclose(before, after, atol=1e-6)
    rated = crowd()
    moved = [*rated[:-1], made(209, source="vgmidi", affect=(-0.9, 0.9), groups={"game 9"})]
    np.testing.assert_allclose(taught(rated)[1][-1], taught(moved)[1][-1], atol=1e-6)


def test_a_twin_teaches_where_it_may_be_known_and_not_where_it_shares_the_group():
    held = made(500, 0, like=7000)
    for quadrant in range(4):
        free = made(elsewhere(held), quadrant, like=7000)
        assert int(taught([held, free, *crowd()])[0][0].argmax()) == quadrant
    bound = [
        taught([held, made(501, label, like=7000, groups=held.piece.groups), *crowd()])[0][0] for label in range(4)
    ]
    for other in bound[1:]:
        np.testing.assert_allclose(other, bound[0], atol=1e-6)


def test_places_that_only_raters_know_are_guessed_for_all_and_nothing_where_nobody_rated():
    items = crowd()
    found = unified._teacher_targets(table_of(items), items, QUICK)
    unrated = ~table_of(items).rated
    assert found.affect[unrated].abs().max() > 0 and found.affect.abs().max() <= 1
    assert (found.deviation >= unified.SMALLEST_SD).all()
    np.testing.assert_allclose(found.quadrants.sum(1), 1, atol=1e-5)
    alone = [made(n) for n in range(12)]
    assert unified._teacher_targets(table_of(alone), alone, QUICK).affect.abs().max() == 0


def test_it_learns_quadrants_and_places_that_its_numbers_show():
    axes = np.random.default_rng(0).normal(size=(2, 200)).astype(np.float32)
    items = []
    for number in range(48):
        own = made(number, source="vgmidi", affect=(0.0, 0.0), rows=1)
        place = np.random.default_rng(900 + number).uniform(-1, 1, 2)
        quadrant = [[2, 3], [1, 0]][int(place[1] > 0)][int(place[0] > 0)]
        values = own.values.copy()
        values[:, SIZES[0] : SIZES[0] + 200] += (3 * place @ axes).astype(np.float32)
        items.append(
            UnifiedTrainingPiece(replace(own.piece, quadrant=quadrant, affect=tuple(place)), values, own.known)
        )
    model = unified.train(items[:36], UnifiedTrainConfig(steps=60, batch=24, members=2), seed=0)
    chances, places = unified.predict(model, items[36:])
    truth = np.array([each.piece.affect for each in items[36:]])
    assert all(np.corrcoef(places[:, axis], truth[:, axis])[0, 1] > 0.7 for axis in (0, 1))
    assert (chances.argmax(1) == [each.piece.quadrant for each in items[36:]]).mean() > 0.6


def test_one_seed_gives_one_model():
    one, again, other = (unified.train(crowd(), QUICK, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(weights(one), weights(again)) and not torch.equal(weights(one), weights(other))
    assert not one.training


@pytest.fixture(scope="module")
def plain():
    return weights(unified.train(crowd(), QUICK, seed=0))


CHANGES = {
    "steps": 4, "batch": 5, "rate": 1e-4, "decay": 0.9, "mix": 0.1, "smooth": 0.3, "noise": 0.0, "hide": 0.6,
    "distil": 0.7, "affect": 3.7, "use": ("sound", "harmony"), "members": 3, "width": 4.0, "ridge": 0.1,
}  # fmt: skip


def test_every_option_of_the_recipe_is_tried():
    assert {*CHANGES, "frontend"} == set(vars(UnifiedTrainConfig()))


def test_it_can_be_trained_on_the_other_front_end(tmp_path):
    """Rows of MERT take the place of MusiCNN's; the model says so, and asks for them when it judges."""
    rng = np.random.default_rng(0)
    mel = rng.normal(-40, 8, (400, 96)).astype(np.float32)
    rows = {"mert": rng.normal(size=(8, 768)).astype(np.float32), "chroma": rng.random((80, 12)).astype(np.float32)}
    items = [
        unified.prepare(
            PieceVersions(made(n).piece, (Segment(mel + n, None, 8.0, rows | {"mert": rows["mert"] * n}),)), "mert"
        )
        for n in range(8)
    ]
    model = unified.train(items, replace(QUICK, frontend="mert"), seed=0)
    assert model.config.frontend == "mert" and model.config.sizes == sizes_of("mert") and sizes_of("mert")[1] == 768
    assert UnifiedModel(model, "0" * 64).frontends == ("mert", "chroma")
    assert np.isfinite(unified.predict(model, items)[0]).all()


def test_an_unknown_front_end_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="there is no front end clap: choose from mel, mert"):
        UnifiedTrainConfig(frontend="clap")


@pytest.mark.parametrize("option", CHANGES)
def test_every_option_of_the_recipe_counts(plain, option):
    changed = weights(unified.train(crowd(), replace(QUICK, **{option: CHANGES[option]}), seed=0))
    assert changed.shape != plain.shape or not torch.equal(changed, plain)


@pytest.mark.parametrize("left_out", GROUPS)
def test_numbers_of_a_group_that_is_not_used_change_no_prediction(left_out):
    use = tuple(name for name in GROUPS if name != left_out)
    recipe, items = replace(QUICK, use=use), crowd()
    ends = np.cumsum(SIZES)
    place = slice(ends[GROUPS.index(left_out)] - SIZES[GROUPS.index(left_out)], ends[GROUPS.index(left_out)])
    model = unified.train(items, recipe, seed=0)
    other = [UnifiedTrainingPiece(each.piece, each.values.copy(), each.known) for each in items]
    for each in other:
        each.values[:, place] += 5
    for one, two in zip(unified.predict(model, items, use=use), unified.predict(model, other, use=use), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_piece_is_learnt_whole_with_its_notes_by_sound_alone_and_in_parts():
    rng = np.random.default_rng(0)
    mel = rng.normal(-40, 8, (20 * 50 + 1, 96)).astype(np.float32)
    rows = {"musicnn": rng.normal(size=(4, 200)).astype(np.float32), "chroma": rng.random((200, 12)).astype(np.float32)}
    whole = Segment(mel, played(*((n / 2, n / 2 + 0.4, 60 + n % 7) for n in range(40))), 20.0, rows)
    other = replace(whole, notes=None, mel=mel[::-1].copy())
    found = unified.prepare(PieceVersions(made(1).piece, (whole, other)))
    assert found.values.shape == (5, sum(SIZES))
    assert found.known.tolist() == [[True] * 4, [True] * 3 + [False], [True] * 3 + [False], [True] * 4, [True] * 4]
    for row, segment in ((0, whole), (1, replace(whole, notes=None)), (2, other)):
        np.testing.assert_array_equal(found.values[row], describe(segment).values)
    assert np.abs(found.values[3] - found.values[4]).max() > 0


def test_the_table_says_which_rows_are_whole_and_rated():
    items = [made(1), made(2, source="vgmidi", affect=(0.5, -0.5), rows=4)]
    table: UnifiedTable = table_of(items)
    assert table.whole.tolist() == [True, True, False, True, True, False, False]  # with its notes and without
    assert table.rated.tolist() == [False] * 3 + [True] * 4
    assert table.piece.tolist() == [0] * 3 + [1] * 4 and table.affect[3].tolist() == [0.5, -0.5]
    assert table.affect[:3].abs().max() == 0


def test_nothing_to_train_on_is_reported_in_a_sentence():
    with pytest.raises(DataError, match="nothing to train on"):
        unified.train([], QUICK, seed=0)
