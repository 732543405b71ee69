"""ADFF: cuts become channels, levels are fused, and each prediction is as if its segment were alone."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion import checkpoint, judge
from emotion.data import renders
from emotion.errors import CheckpointError, SoundError
from emotion.features import acoustics
from emotion.judge import Judge, Segment
from emotion.models import adff
from emotion.models.adff import ADFF, KIND, ADFFConfig, ADFFEnsemble, ADFFModel
from tests.emotion.plain_model import midi_file
from tests.emotion.waves import sine, wav

SMALL = ADFFConfig(hidden=6, width=12, members=2)
NUMBERS = max(part.stop for part in acoustics.groups().values())
OWN = replace(SMALL, widths=(4, 4, 6, 6, 8))


def rows(count, seed=0):
    """Published levels of `count` patches, by chance."""
    return np.random.default_rng(seed).normal(size=(count, 36, 128)).astype(np.float32)


def mel(count, seed=0, level=-40.0):
    return (level + np.random.default_rng(seed).normal(0, 8, (count, 96))).astype(np.float32)


def segment(count, seed=0):
    return Segment(mel(300 * count, seed), None, 6.0 * count, {"vgg": rows(count, seed)})


@pytest.fixture(scope="module")
def listener():
    torch.manual_seed(3)
    model = ADFFEnsemble(SMALL).eval()
    model.temperature.fill_(0.7)
    return ADFFModel(model, "1" * 64)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=5), st.integers(0, 1000), st.sampled_from(["lstm", "gru"]))
@torch.inference_mode()
def test_a_padded_batch_is_predicted_as_each_segment_alone(counts, seed, recurrent):
    torch.manual_seed(seed)
    model = ADFF(replace(SMALL, recurrent=recurrent)).eval()
    each = [rows(count, seed + number) for number, count in enumerate(counts)]
    scores = torch.randn(len(each), NUMBERS)
    together = model(*adff.padded(each), scores)
    for index, own in enumerate(each):
        for predicted, alone in zip(together, model(*adff.padded([own]), scores[index : index + 1]), strict=True):
            torch.testing.assert_close(predicted[index], alone[0], atol=1e-5, rtol=0)


def test_padding_keeps_every_row_and_says_which_are_there():
    batch, mask = adff.padded([rows(1), rows(3, 1)])
    assert mask.tolist() == [[True, False, False], [True, True, True]]
    np.testing.assert_array_equal(batch[0, :1], rows(1))
    np.testing.assert_array_equal(batch[1], rows(3, 1))
    assert not batch[0, 1:].any()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 2, 3]), st.integers(400, 1500), st.integers(0, 1000))
def test_cutting_averages_four_rows_and_stacks_equal_stretches_in_their_order(cuts, count, seed):
    given_rows = np.random.default_rng(seed).normal(size=(count, 96)).astype(np.float32)
    thin = given_rows[: count // 4 * 4].reshape(-1, 4, 96).mean(1)
    expected = np.stack(np.split(thin[: len(thin) // cuts * cuts], cuts))
    found = adff.stack_cuts(torch.from_numpy(given_rows)[None], cuts)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize("cuts", [1, 3])
def test_what_is_too_short_for_five_halvings_is_repeated_before_it_is_cut(cuts):
    short = mel(60)  # fifteen averages of four
    thin = short.reshape(15, 4, 96).mean(1)
    expected = np.stack([thin[(np.arange(32) + 32 * part) % 15] for part in range(cuts)])
    np.testing.assert_allclose(adff.stack_cuts(torch.from_numpy(short)[None], cuts)[0], expected, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.floats(-30, 10), st.integers(0, 1000))
def test_a_sound_that_is_louder_as_a_whole_looks_the_same(gain_db, seed):
    one = torch.from_numpy(mel(200, seed))[None]
    torch.testing.assert_close(adff.relative(one + gain_db), adff.relative(one), atol=1e-4, rtol=0)


def test_the_loud_rows_are_at_one_and_what_is_sixty_decibels_below_at_minus_one():
    steady = np.full((100, 96), -20.0, np.float32)
    steady[:, 10], steady[:, 20], steady[:, 30] = -50, -80, -110
    found = adff.relative(torch.from_numpy(steady)[None])[0, 0]
    assert found[[0, 10, 20, 30]].tolist() == pytest.approx([1, 0, -1, -1], abs=1e-5)


def test_the_levels_of_published_rows_are_taken_apart_in_the_order_of_time():
    numbered = torch.arange(2 * 36).float().reshape(1, 2, 36, 1).expand(1, 2, 36, 128)
    third, fourth, fifth = (level[0, :, 0].numpy() for level in adff.split(numbered))
    np.testing.assert_allclose(third, [m * 36 + 2 * t + 0.5 for m in (0, 1) for t in range(11)])
    np.testing.assert_allclose(fourth, [m * 36 + 23 + 2 * t + 0.5 for m in (0, 1) for t in range(5)])
    np.testing.assert_allclose(fifth, [m * 36 + 34 + t for m in (0, 1) for t in range(2)])


ABLATIONS = {
    "as it ships": SMALL,
    "no squeeze": replace(SMALL, squeeze=0),
    "one level": replace(SMALL, levels=(5,)),
    "gru": replace(SMALL, recurrent="gru"),
    "no numbers": replace(SMALL, numbers=0),
    "C = 1": replace(OWN, cuts=1),
    "C = 3": replace(OWN, cuts=3),
    "C = 3, two levels": replace(OWN, cuts=3, levels=(4, 5)),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_learns_with_all_of_its_weights(name):
    """Each parameter gets a gradient: none is left out of the outputs."""
    torch.manual_seed(0)
    config = ABLATIONS[name]
    model = ADFF(config)
    observed = torch.from_numpy(np.stack([mel(500), mel(500, 1)]) if config.cuts else np.stack([rows(2), rows(2, 1)]))
    logits, affect = model(observed, torch.ones(observed.shape[:2], dtype=torch.bool), torch.randn(2, NUMBERS))
    assert logits.shape == (2, 4) and affect.shape == (2, 2) and affect.abs().max() <= 1
    (logits.square().sum() + affect.square().sum()).backward()
    assert [key for key, value in model.named_parameters() if value.grad is None] == []


def test_there_are_as_many_numbers_as_the_description_has():
    assert ADFFConfig().numbers == NUMBERS


@torch.inference_mode()
def test_numbers_have_an_effect_where_the_config_has_some_and_nowhere_else():
    for numbers, prediction in ((NUMBERS, True), (0, False)):
        torch.manual_seed(0)
        model = ADFFEnsemble(replace(SMALL, numbers=numbers)).eval()
        one, other = (model(*adff.padded([rows(2)]), torch.full((1, NUMBERS), value))[0] for value in (0.0, 2.0))
        assert torch.equal(one, other) != prediction


def test_what_an_ablation_leaves_out_is_not_there():
    names = {name: set(dict(ADFF(config).named_parameters())) for name, config in ABLATIONS.items()}
    assert not any("squeeze" in each for each in names["no squeeze"])
    assert any("squeeze" in each for each in names["as it ships"])
    assert {each.split(".")[1] for each in names["one level"] if each.startswith("levels")} == {"0"}
    weights = {cuts: ADFF(replace(OWN, cuts=cuts)).blocks.filters[0].weight.shape for cuts in (1, 3)}
    assert weights == {1: (4, 1, 3, 3), 3: (4, 3, 3, 3)}
    assert not any("describe" in each for each in names["no numbers"])
    lstm, gru = (
        sum(p.numel() for p in ADFF(ABLATIONS[n]).levels[0].recurrent.parameters()) for n in ("as it ships", "gru")
    )
    assert lstm * 3 == gru * 4  # gates


@torch.inference_mode()
def test_an_ensemble_predicts_the_mean_of_its_networks_over_the_temperature():
    torch.manual_seed(1)
    model = ADFFEnsemble(replace(SMALL, members=3)).eval()
    model.temperature.fill_(2.5)
    model.centre.normal_()
    model.scale.uniform_(0.1, 2)
    batch, numbers = adff.padded([rows(2), rows(2, 1)]), torch.randn(2, NUMBERS)
    logits, places = model(*batch, numbers)
    scores = np.clip((numbers.numpy() - model.centre.numpy()) / model.scale.numpy(), -4, 4)
    each = [network(*batch, torch.from_numpy(scores)) for network in model.networks]
    np.testing.assert_allclose(logits, np.mean([one.numpy() for one, _ in each], 0) / 2.5, atol=1e-6)
    np.testing.assert_allclose(places, np.mean([two.numpy() for _, two in each], 0), atol=1e-6)


def test_a_prediction_does_not_depend_on_the_other_segments(listener):
    segments = [segment(count, count) for count in (1, 5, 2, 3)]
    together = listener.predict(segments)
    for row, one in zip(together, segments, strict=True):
        np.testing.assert_allclose(row, listener.predict([one])[0], atol=1e-5)


def test_predictions_are_places_and_probabilities(listener):
    for row in listener.predict([segment(2, seed) for seed in range(6)]):
        assert np.abs(row[:2]).max() <= 1 and row[2:].min() >= 0 and row[2:].sum() == pytest.approx(1, abs=1e-5)


def test_notes_alone_are_refused_and_a_judge_provides_the_rows(listener, tmp_path):
    path = wav(tmp_path / "a.wav", sine(9.0, 24_000), 24_000)
    report = Judge(listener).predict(path)
    assert report.heard == "audio" and report.judge == "adff" and len(report.windows) == 2
    with pytest.raises(SoundError, match="takes only audio"):
        Judge(listener).predict(midi=tmp_path / "a.mid")


def test_weights_come_back_as_they_were_saved(listener, tmp_path):
    checkpoint.save_module(listener.model, tmp_path, kind=KIND, config={"model": asdict(SMALL)})
    again = adff.load(tmp_path)
    assert again.sha256 == checkpoint.file_sha256(tmp_path / checkpoint.WEIGHTS)
    assert again.model.config == SMALL and float(again.model.temperature) == pytest.approx(0.7, abs=1e-3)
    segments = [segment(2), segment(3, 1)]
    np.testing.assert_allclose(
        again.predict(segments), listener.predict(segments), atol=5e-3
    )  # weights are halves there


@pytest.mark.parametrize("change", [{"hidden": 7}, {"members": 3}, {"squeeze": 0}, {"recurrent": "gru"}])
def test_weights_of_another_shape_are_refused(listener, change, tmp_path):
    config = {"model": asdict(replace(SMALL, **change))}
    checkpoint.save_module(listener.model, tmp_path, kind=KIND, config=config)
    with pytest.raises(CheckpointError, match="do not fit"):
        adff.load(tmp_path)


@pytest.mark.parametrize("name", ["adff", "unified"])
def test_the_weights_that_ship_hear_a_render_otherwise_than_noise(name, tmp_path):
    if not (adff.WEIGHTS.parent / name).is_dir():
        pytest.skip(f"no trained weights of {name} are in this checkout")
    tune = midi_file(tmp_path / "a.mid", *((n / 2, n / 2 + 0.45, 55 + n % 4 * 4) for n in range(14)))
    render = np.concatenate(list(renders.render_samples(tune, renders.PLAIN, longest_s=8.0))).clip(-1, 1)
    noise = np.random.default_rng(0).normal(0, 0.2, 24_000 * 8).clip(-1, 1)
    paths = [wav(tmp_path / f"{number}.wav", each, 24_000) for number, each in enumerate((render, noise))]
    found = [judge.load(name).predict(path).whole for path in paths]
    for each in found:
        assert np.isfinite([each.valence, each.arousal, *each.quadrants]).all()
        assert sum(each.quadrants) == pytest.approx(1, abs=1e-5)
    assert np.abs(np.subtract(found[0].quadrants, found[1].quadrants)).max() > 0.02
