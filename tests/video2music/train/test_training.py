"""The training of tiny models on made-up songs: it learns, stops and goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from video2music.chords import PAD, Chord
from video2music.data.batches import batch_of, drop_modalities, shuffled, statistics
from video2music.data.muvi_sync import Song
from video2music.errors import DataError
from video2music.model.amt import AMT, CONFIGS
from video2music.model.picture import collate
from video2music.train import amt
from video2music.train.fit import Recipe, fit

LOOP = [Chord.parse(name).id for name in ("C", "C", "G", "G", "A:min", "A:min", "F", "F")]


def song(index: int, seconds: int = 24) -> Song:
    rng = np.random.default_rng(index)
    return Song(
        f"{index:03}",
        False,
        np.resize(np.roll(LOOP, index), seconds),
        rng.normal(size=(seconds, 768)).astype(np.float16),
        rng.dirichlet(np.ones(6), seconds).astype(np.float32),
        *(rng.random(seconds).astype(np.float32) for _ in range(4)),
    )


SONGS = [song(index) for index in range(8)]
RECIPE = Recipe(epochs=20, batch=4, rate=5e-3, warmup_steps=4)


def run(folder, epochs_now=None, recipe=RECIPE):
    torch.manual_seed(0)
    model = AMT(CONFIGS["tiny"])
    model.picture.set_statistics(statistics(SONGS))
    model.train()

    def epochs(generator):
        if epochs_now is not None and (folder / "resume.pt").exists():
            state = torch.load(folder / "resume.pt", weights_only=True)
            if len(state["history"]) == epochs_now:
                raise KeyboardInterrupt
        return shuffled(SONGS, RECIPE.batch, generator)

    def validate():
        return float(amt.loss(model, batch_of(SONGS), torch.Generator().manual_seed(0)).detach())

    history = fit(
        model,
        epochs,
        lambda batch, generator: amt.loss(model, batch, generator),
        validate,
        recipe=recipe,
        n_batches=2,
        folder=folder,
        dimensions={"name": "tiny"},
    )
    return model, history


def test_the_loss_falls_on_music_that_can_be_learnt(tmp_path):
    _, history = run(tmp_path)
    assert history[-1]["validation"] < 0.6 * history[0]["validation"]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    whole, whole_history = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", epochs_now=5)
    parts, parts_history = run(tmp_path / "parts")
    assert [row["validation"] for row in parts_history] == [row["validation"] for row in whole_history]
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_folder_of_another_run_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, epochs_now=1)
    with pytest.raises(DataError, match="another run"):
        run(tmp_path, recipe=replace(RECIPE, seed=1))


def test_the_affective_loss_counts_real_positions_only():
    emotion = np.eye(6)[np.zeros(5, int)]  # exciting, which allows maj, sus4 and 7
    picture = collate([(None, emotion[:3], np.ones((3, 2))), (None, emotion, np.ones((5, 2)))])
    logits = torch.randn(2, 5, 159, generator=torch.Generator().manual_seed(0))
    before = amt.affective_loss(logits, picture)
    logits[0, 3:] += torch.randn(2, 159)
    assert amt.affective_loss(logits, picture) == before


def test_the_affective_loss_is_the_surprise_of_an_allowed_quality():
    picture = collate([(None, np.eye(6)[[3]], np.ones((1, 2)))])  # sad
    logits = torch.randn(1, 1, 159, generator=torch.Generator().manual_seed(0))
    chords = [Chord.from_id(i) for i in range(1, 157)]
    probability = logits[0, 0, 1:157].softmax(-1)
    mass = sum(p for p, chord in zip(probability, chords, strict=True) if chord.quality in ("min", "min7", "sus2"))
    assert amt.affective_loss(logits, picture).item() == pytest.approx(-np.log(mass.item()), abs=1e-5)


def test_modalities_go_whole_songs_at_a_time_and_at_their_rates():
    picture = collate([(np.ones((2, 768)), np.ones((2, 6)), np.ones((2, 2)))] * 4000)
    kept = drop_modalities(picture, (0.4, 0.0, 1.0), torch.Generator().manual_seed(0)).present.float().mean(0)
    assert kept[0] == pytest.approx(0.6, abs=0.04) and kept[1] == 1 and kept[2] == 0


def test_padding_is_no_chord_to_learn():
    batch = batch_of([song(0, 5), song(1, 9)])
    assert (batch.following[0, 6:] == PAD).all() and (batch.following[0, :6] != PAD).all()
