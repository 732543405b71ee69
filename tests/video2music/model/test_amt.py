import pytest
import torch

from video2music.chords import END, PAD, VOCABULARY_SIZE, Chord
from video2music.model.amt import AMT, load, save
from video2music.model.attention import CONFIGS
from video2music.model.video import MODALITIES


@pytest.fixture
def chords():
    return torch.randint(0, 157, (2, 20), generator=torch.Generator().manual_seed(1))


MODES = torch.tensor([True, False])


def test_a_chord_depends_on_none_of_those_after_it(any_amt, video, chords):
    features = video(20, 20)
    before = any_amt(chords, MODES, features)
    changed = chords.clone()
    changed[:, 12:] = (changed[:, 12:] + 5) % 157
    after = any_amt(changed, MODES, features)
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert (before[:, 12:] - after[:, 12:]).abs().max() > 1e-3


@pytest.mark.parametrize("prefill", [1, 7, 20])
def test_the_cache_changes_no_logit(any_amt, video, chords, prefill):
    whole = any_amt(chords, MODES, video(20, 13))
    state = any_amt.start(video(20, 13), MODES)
    steps = [any_amt.advance(state, chords[:, :prefill])]
    steps += [any_amt.advance(state, chords[:, i : i + 1]) for i in range(prefill, chords.shape[1])]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=0)


def test_padding_a_batch_changes_no_logit(any_amt, video, chords):
    together = any_amt(chords, MODES, video(20, 13))
    second = video(20, 13).window(0, 13)
    alone = any_amt(chords[1:, :13], MODES[1:], type(second)(*(tensor[1:] for tensor in second)))
    torch.testing.assert_close(together[1:, :13], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_absent_modality_hides_its_rows(any_amt, video, chords, modality):
    features = video(20, 20)
    other = features._replace(**{modality: getattr(features, modality).flip(1) * 3})
    present = torch.ones(2, 3, dtype=torch.bool)
    present[:, list(MODALITIES).index(modality)] = False
    hidden = [any_amt(chords, MODES, one._replace(present=present)) for one in (features, other)]
    torch.testing.assert_close(*hidden)
    moved = (any_amt(chords, MODES, features) - any_amt(chords, MODES, other)).abs().max()
    assert moved > 1e-3 if modality in any_amt.video_embedding.names else moved == 0


def test_without_video_the_song_alone_counts(tiny_amt, video, chords):
    blind = tiny_amt(chords, MODES, None)
    torch.testing.assert_close(blind.exp().sum(-1), torch.ones(2, 20), atol=1e-4, rtol=0)
    with torch.no_grad():
        for parameter in tiny_amt.conditioning.parameters():
            parameter.normal_()
    torch.testing.assert_close(tiny_amt(chords, MODES, None), blind, rtol=0, atol=0)
    assert (tiny_amt(chords, MODES, video(20, 20)) - blind).abs().max() > 1e-3


def test_conditioning_afterwards_gives_what_conditioning_all_along_gives(tiny_amt, video, chords):
    features = video(20, 13)
    conditioned = tiny_amt.condition(tiny_amt(chords, MODES, None), chords, features)
    torch.testing.assert_close(conditioned, tiny_amt(chords, MODES, features), atol=1e-5, rtol=0)


def test_the_mode_matters(any_amt, video, chords):
    logits = [any_amt(chords, torch.full((2,), minor), video(20, 20)) for minor in (False, True)]
    assert (logits[0] - logits[1]).abs().max() > 1e-3


def test_how_the_past_matches_depends_on_no_chords_name(tiny_amt):
    ids = torch.tensor([[PAD, 5, 5, 9, 9, 5, 5, 9]])
    features = tiny_amt._initial_state(None, MODES[:1]).copy_tracker.extend(ids)
    other = tiny_amt._initial_state(None, MODES[:1]).copy_tracker.extend(torch.tensor([[PAD, 7, 7, 3, 3, 7, 7, 3]]))
    assert torch.equal(features.matches, other.matches) and torch.equal(features.rhythm, other.rhythm)
    assert features.age.tolist() == [[0, 1, 2, 1, 2, 1, 2, 1]]


def test_the_calibration_is_that_of_the_emotion_bias_or_none(tiny_amt, paper_amt):
    scale, offset = tiny_amt.calibration()
    assert [scale.item(), offset.item()] == tiny_amt.conditioning.emotion_bias.calibration.tolist()
    assert [value.item() for value in paper_amt.calibration()] == [1, 0]


@pytest.mark.parametrize("name", ["tiny_amt", "paper_amt"])
def test_saved_weights_predict_the_same(name, request, video, chords, tmp_path):
    model = request.getfixturevalue(name)
    save(model, tmp_path, note="made for a test")
    loaded, found = load(tmp_path)
    assert loaded.config == model.config and found.config["note"] == "made for a test"
    before, after = (one(chords, MODES, video(20, 13)).softmax(-1) for one in (model, loaded))
    torch.testing.assert_close(before, after, atol=0.01, rtol=0)  # kept as float16


def test_every_id_has_the_root_and_quality_of_its_chord(tiny_amt):
    c7, am = Chord.parse("C:7").id, Chord.parse("A:min").id
    assert tiny_amt.root_of[c7] == 1 and tiny_amt.root_of[am] == 10
    assert tiny_amt.root_of[0] == tiny_amt.quality_of[0] == 0
    pairs = {(int(tiny_amt.root_of[i]), int(tiny_amt.quality_of[i])) for i in range(VOCABULARY_SIZE)}
    assert len(pairs) == VOCABULARY_SIZE
    assert tiny_amt.root_of.max() < tiny_amt.root.num_embeddings and tiny_amt.quality_of[PAD] == 15
    assert tiny_amt.quality_of[END] == 14


def test_the_papers_config_has_about_32_million_parameters():
    with torch.device("meta"):
        model = AMT(CONFIGS["paper"])
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(32e6, rel=0.03)


def test_the_shipped_weights_fit_and_know_that_chords_last():
    model, found = load()
    chord = Chord.parse("F").id
    video = uniform_video(12)
    logits = model(torch.tensor([[PAD, *[chord] * 3]]), torch.tensor([False]), video)
    assert logits[0, -1].argmax() == chord
    assert len(found.sha256) == 64


def uniform_video(steps):
    import numpy as np

    from video2music.model.video import collate

    return collate([(None, np.full((steps, 6), 1 / 6), np.ones((steps, 2)))])
