import math

import pytest
import torch

from video2music.chords import END, PAD, VOCABULARY_SIZE, Chord
from video2music.model.amt import AMT, CONFIGS, load


@pytest.fixture
def chords():
    return torch.randint(0, 157, (2, 20), generator=torch.Generator().manual_seed(1))


MODES = torch.tensor([True, False])


def test_a_chord_sees_none_of_those_after_it(tiny_amt, picture, chords):
    seen = picture(20, 20)
    before = tiny_amt(chords, MODES, seen)
    changed = chords.clone()
    changed[:, 12:] = (changed[:, 12:] + 5) % 157
    after = tiny_amt(changed, MODES, seen)
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert (before[:, 12:] - after[:, 12:]).abs().max() > 1e-3


@pytest.mark.parametrize("prefill", [1, 7, 20])
def test_the_cache_changes_no_logit(tiny_amt, picture, chords, prefill):
    whole = tiny_amt(chords, MODES, picture(20, 13))
    state = tiny_amt.start(picture(20, 13), MODES)
    steps = [tiny_amt.advance(state, chords[:, :prefill])]
    steps += [tiny_amt.advance(state, chords[:, i : i + 1]) for i in range(prefill, chords.shape[1])]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=0)


def test_padding_a_batch_changes_no_logit(tiny_amt, picture, chords):
    together = tiny_amt(chords, MODES, picture(20, 13))
    second = picture(20, 13).window(0, 13)
    alone = tiny_amt(chords[1:, :13], MODES[1:], type(second)(*(tensor[1:] for tensor in second)))
    torch.testing.assert_close(together[1:, :13], alone, atol=1e-5, rtol=0)


def test_relative_logits_are_those_of_a_plain_loop(tiny_amt):
    attention = tiny_amt.layers[0].self_attention
    queries = torch.randn(1, 2, 5, 16)
    bias = attention._bias(queries, n_keys=5, start=0)
    for i in range(5):
        for j in range(i + 1):
            expected = (queries[0, 1, i] @ attention.table[i - j]).item() / math.sqrt(16)
            assert bias[0, 1, i, j].item() == pytest.approx(expected, abs=1e-5)
        assert (bias[0, 1, i, i + 1 :] == -math.inf).all()


def test_an_absent_modality_hides_its_rows(tiny_amt, picture, chords):
    seen = picture(20, 20)
    other = seen._replace(semantic=seen.semantic * 3 + 1)
    absent = torch.tensor([[False, True, True]] * 2)
    hidden = [tiny_amt(chords, MODES, one._replace(present=absent)) for one in (seen, other)]
    torch.testing.assert_close(*hidden)
    assert (tiny_amt(chords, MODES, seen) - tiny_amt(chords, MODES, other)).abs().max() > 1e-3


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
    picture = load_picture(12)
    logits = model(torch.tensor([[PAD, *[chord] * 3]]), torch.tensor([False]), picture)
    assert logits[0, -1].argmax() == chord
    assert len(found.sha256) == 64


def load_picture(steps):
    import numpy as np

    from video2music.model.picture import collate

    return collate([(None, np.full((steps, 6), 1 / 6), np.ones((steps, 2)))])
