import numpy as np
import torch

from video2music.model.regressor import HIGHEST, LOWEST, Regressor, RegressorConfig, dynamics, load


def tiny():
    torch.manual_seed(0)
    return Regressor(RegressorConfig(width=8, hidden=8, layers=1, dropout=0)).eval()


def test_padding_a_batch_changes_no_prediction(picture):
    model, batch = tiny(), picture(20, 13)
    with torch.no_grad():
        together = model(batch)
        second = type(batch)(*(tensor[1:] for tensor in batch)).window(0, 13)
        alone = model(second)
    torch.testing.assert_close(together[1, :13], alone[0], atol=1e-5, rtol=0)
    assert not together[1, 13:].any()


def test_arousal_raises_density_and_loudness_by_strength(picture):
    model, seen = tiny(), picture(10)
    model.target_mean.copy_(torch.tensor([10.0, 0.17]))
    model.target_scale.copy_(torch.tensor([5.0, 0.1]))
    calm, excited = (dynamics(model, seen, arousal=np.full(10, a), strength=0.5) for a in (-0.6, 0.6))
    assert (excited.density > calm.density).all() and (excited.loudness > calm.loudness).all()
    off = [dynamics(model, seen, arousal=np.full(10, a), strength=0.0) for a in (-0.6, 0.6)]
    np.testing.assert_array_equal(off[0].density, off[1].density)


def test_dynamics_stay_within_what_music_does(picture):
    model, seen = tiny(), picture(10)
    model.target_scale.copy_(torch.tensor([1000.0, 1000.0]))
    found = dynamics(model, seen, arousal=np.linspace(-1, 1, 10), strength=1.0)
    for values, low, high in zip((found.density, found.loudness), LOWEST, HIGHEST, strict=True):
        assert values.min() >= np.float32(low) and values.max() <= np.float32(high)


def test_the_shipped_regressor_predicts_like_its_data(picture):
    model, _ = load()
    with torch.no_grad():
        density, loudness = model(picture(60, semantic=False))[0].T.numpy()
    assert 5 < density.mean() < 16
    assert 0.08 < loudness.mean() < 0.3
