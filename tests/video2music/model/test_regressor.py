import math

import numpy as np
import pytest
import torch

from video2music.model.regressor import (
    HIGHEST,
    LOWEST,
    N_COMPONENTS,
    NEAR,
    SEMANTIC_STRIDE,
    SPANS,
    EnsembleGRU,
    Regressor,
    RegressorConfig,
    RegressorInputs,
    load,
    predict_dynamics,
)
from video2music.model.video import MODALITIES


def tiny(members=2):
    torch.manual_seed(0)
    return Regressor(RegressorConfig(hidden=8, layers=1, members=members, dropout=0)).eval()


def random_statistics(rows):
    """Other than those of a fresh model, so that it matters where they are used."""
    for name in MODALITIES:
        rows.get_buffer(f"{name}_mean").normal_()
        rows.get_buffer(f"{name}_scale").uniform_(0.5, 2)
    rows.get_buffer("components").normal_()
    return rows


def scored(rows, video, name):
    return (getattr(video, name) - rows.get_buffer(f"{name}_mean")) * rows.get_buffer(f"{name}_scale")


def test_rows_and_their_averages_are_those_of_a_plain_loop(video):
    torch.manual_seed(0)
    rows, seen = random_statistics(RegressorInputs()), video(30, 13)
    seen = seen._replace(present=torch.tensor([[True, True, True], [True, False, True]]))
    found = rows(seen)
    assert found.shape == (2, 30, RegressorInputs.WIDTH)
    changing = torch.cat([scored(rows, seen, "emotion"), scored(rows, seen, "movement")], dim=-1)
    changing[1, :, :6] = 0  # its emotion is hidden
    for song, length in enumerate((30, 13)):
        for step in range(length):
            semantic = scored(rows, seen, "semantic")[song, step] @ rows.get_buffer("components")
            averages = [
                changing[song, max(0, step - span // 2) : min(length, step + span // 2 + 1)].mean(0) for span in SPANS
            ]
            near = torch.tensor([math.exp(-step / NEAR), math.exp(-(length - 1 - step) / NEAR)])
            expected = torch.cat([semantic, changing[song, step], *averages, seen.present[song].float(), near])
            torch.testing.assert_close(found[song, step], expected, atol=2e-4, rtol=0)
    assert not found[1, 13:, : -len(MODALITIES) - 2].any()


def test_the_components_are_uncorrelated_and_of_unit_spread():
    rng = np.random.default_rng(0)
    spread = np.concatenate([[30.0, 20.0, 10.0], np.full(765, 0.1)])
    semantic = (rng.normal(size=(700, 768)) * spread) @ np.linalg.qr(rng.normal(size=(768, 768)))[0]
    statistics = {
        "semantic": semantic.astype(np.float32),
        "emotion": rng.random((700, 6)),
        "movement": np.ones((700, 2)),
    }
    rows = RegressorInputs()
    rows.set_statistics(statistics)
    components = rows.get_buffer("components")
    found = (
        scored(rows, SemanticOnly(torch.from_numpy(statistics["semantic"][::SEMANTIC_STRIDE])), "semantic") @ components
    )
    second = (found.T @ found / len(found)).numpy()
    np.testing.assert_allclose(second, np.eye(N_COMPONENTS), atol=0.01)


class SemanticOnly:
    """A video of which only the semantic rows are used."""

    def __init__(self, semantic):
        self.semantic = semantic


def test_padding_a_batch_changes_no_prediction(video):
    model, batch = tiny(), video(20, 13)
    model.target_mean.fill_(3.0)  # far from 0, where predictions are cut off
    random_statistics(model.inputs)
    with torch.no_grad():
        together = model(batch)
        second = type(batch)(*(tensor[1:] for tensor in batch)).window(0, 13)
        alone = model(second)
    torch.testing.assert_close(together[1, :13], alone[0], atol=1e-5, rtol=0)
    assert together[1, :13].std() > 0 and not together[1, 13:].any()


@torch.no_grad()
def test_the_scores_are_the_mean_of_members_that_differ(video):
    model, seen = tiny(members=3), video(20, 13)
    each = model.member_scores(seen)
    assert each.shape == (3, 2, 20, 2) and (each[0] - each[1]).abs().max() > 1e-2
    torch.testing.assert_close(model.scores(seen), (each[0] + each[1] + each[2]) / 3)


@torch.no_grad()
def test_the_ensemble_gru_equals_torchs_own():
    torch.manual_seed(0)
    ours, theirs = EnsembleGRU(2, 5, 4), [torch.nn.GRU(5, 4, batch_first=True, bidirectional=True) for _ in range(2)]
    for index, (member, direction) in enumerate((m, d) for m in range(2) for d in ("", "_reverse")):
        for name, part in {"inputs": "weight_ih", "states": "weight_hh"}.items():
            getattr(ours, name)[index] = getattr(theirs[member], f"{part}_l0{direction}").T
        for name, part in {"offset": "bias_ih", "state_offset": "bias_hh"}.items():
            getattr(ours, name)[index] = getattr(theirs[member], f"{part}_l0{direction}")
    x, lengths = torch.randn(2, 2, 7, 5), torch.tensor([7, 4])
    backwards = torch.tensor([[6, 5, 4, 3, 2, 1, 0], [3, 2, 1, 0, 4, 5, 6]])
    found = ours(x, backwards)
    for member, gru in enumerate(theirs):
        packed = torch.nn.utils.rnn.pack_padded_sequence(x[member], lengths, batch_first=True)
        expected, _ = torch.nn.utils.rnn.pad_packed_sequence(gru(packed)[0], batch_first=True)
        for song, length in enumerate(lengths):
            torch.testing.assert_close(found[member, song, :length], expected[song, :length])


@torch.no_grad()
@pytest.mark.parametrize("modality", MODALITIES)
def test_an_absent_modality_hides_its_rows(video, modality):
    model, seen = tiny(), video(20, 13)
    random_statistics(model.inputs)
    rows = getattr(seen, modality)
    other = seen._replace(**{modality: rows * 3 + 1})
    present = torch.ones(2, 3, dtype=torch.bool)
    present[:, list(MODALITIES).index(modality)] = False
    hidden = [model.scores(one._replace(present=present)) for one in (seen, other)]
    assert torch.equal(*hidden)
    assert (model.scores(seen) - model.scores(other)).abs().max() > 1e-3
    none = seen._replace(**{modality: rows[..., :0]}, present=present)
    torch.testing.assert_close(model.scores(none), hidden[0])


@torch.no_grad()
def test_no_prediction_is_below_nothing(video):
    model = tiny()
    model.target_mean.fill_(-100.0)
    assert not model(video(9)).any()


def test_an_offset_is_added_in_standard_deviations(video):
    model, seen = tiny(), video(10)
    model.target_mean.copy_(torch.tensor([15.0, 0.2]))
    model.target_scale.copy_(torch.tensor([5.0, 0.1]))
    plain, raised = (predict_dynamics(model, seen, offset=np.tile(offset, (10, 1))) for offset in ((0, 0), (1.2, -0.5)))
    np.testing.assert_allclose(raised.density - plain.density, 6.0, atol=1e-4)
    np.testing.assert_allclose(raised.loudness - plain.loudness, -0.05, atol=1e-5)


def test_dynamics_stay_within_what_music_does(video):
    model, seen = tiny(), video(10)
    model.target_scale.copy_(torch.tensor([1000.0, 1000.0]))
    found = predict_dynamics(model, seen, offset=np.linspace([-3, -3], [3, 3], 10))
    for values, low, high in zip((found.density, found.loudness), LOWEST, HIGHEST, strict=True):
        assert values.min() >= np.float32(low) and values.max() <= np.float32(high)


def test_the_shipped_regressor_predicts_like_its_data(video):
    model, _ = load()
    with torch.no_grad():
        density, loudness = model(video(60, semantic=False))[0].T.numpy()
    assert 5 < density.mean() < 16
    assert 0.08 < loudness.mean() < 0.3
