"""Training of the accompaniment: what becomes of a note, no measured song, a whole run on a few drawn songs."""

import itertools
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from emotion.errors import DataError
from tests.video2music.pop909_files import write_songs
from video2music.arranging import accompaniment as model
from video2music.arranging.accompaniment import N_SLOTS, SECTION_FEATURES, Lattice
from video2music.arranging.grid import beats_of
from video2music.chords import Chord
from video2music.data import pop909
from video2music.evaluate.music import frechet_distance
from video2music.styles import load_style
from video2music.train import accompaniment

REGISTERS = load_style("piano").registers
LEARNED = [name for name in (f"{number:03d}" for number in range(1, 60)) if not frechet_distance.is_measured(name)]
QUICK = accompaniment.AccompanimentConfig(width=8, note_width=8, epochs=2, note_epochs=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    measured = [f"{number:03d}" for number in range(1, 60) if frechet_distance.is_measured(f"{number:03d}")]
    return write_songs(tmp_path_factory.mktemp("pop909"), [*LEARNED[:12], *measured[:3]], bars=16)


def nearest_slots(pitch, slots):
    """The definition: of all ways to give rising notes different slots in rising order, the nearest."""
    order = np.argsort(slots, kind="stable")

    def cost(chosen):
        return sum(
            abs(note - slots[slot]) + accompaniment.OTHER_CLASS * ((note - slots[slot]) % 12 != 0)
            for note, slot in zip(pitch, chosen, strict=True)
        )

    return min(([*chosen] for chosen in itertools.combinations(order.tolist(), len(pitch))), key=cost)


def test_notes_that_strike_together_take_the_slots_that_are_nearest_as_a_whole():
    rng = np.random.default_rng(0)
    slots = np.array([31, 43, 55, 53, 60, 69])  # the tenor below the octave
    for size in range(1, N_SLOTS + 1):
        for _ in range(10):
            pitch = np.sort(rng.choice(np.arange(30, 75), size, replace=False))
            found = [slot for _, slot in accompaniment._slots(np.arange(size), pitch, slots)]
            costs = [
                sum(abs(note - slots[slot]) + accompaniment.OTHER_CLASS * ((note - slots[slot]) % 12 != 0)
                    for note, slot in zip(pitch, chosen, strict=True))
                for chosen in (found, nearest_slots(pitch, slots))
            ]  # fmt: skip
            assert costs[0] == pytest.approx(costs[1]) and len(set(found)) == size


def test_chords_are_voiced_as_the_arranger_voices_them():
    pitches = accompaniment.voiced([Chord(None, None), Chord(0, "maj"), Chord(9, "min")], REGISTERS)
    assert (pitches[0] == pitches[1]).all() and set(pitches[2] % 12) == {9, 0, 4}
    assert_allclose(pitches[:, 0] + 12, pitches[:, 1])
    assert_allclose(pitches[:, 2] - 12, pitches[:, 1])


def test_a_training_song_has_the_onsets_of_the_pianist(folder):
    song = pop909.load(folder, LEARNED[0])
    one = accompaniment.training_song(song, REGISTERS)
    beats = 4 * 15  # the song's last bar is no bar: no downbeat ends it
    assert one.onsets.shape == (4 * beats, N_SLOTS) and one.played.all()
    assert one.onsets[::16].any(1).all() and not one.onsets[1::2].any()  # eighths, and nothing between them
    bass = one.onsets[::16, 1].mean()
    assert bass == 1.0  # each bar begins with its root in the bass
    assert one.past.shape == (4 * beats, model.N_HISTORY * N_SLOTS) and one.mask.max() < model.N_MASKS
    assert (one.touch[np.flatnonzero(one.notes[:, N_SLOTS + 14] > 0)] == 2).all()  # the last eighth is hard
    chordal = one.sections[0, SECTION_FEATURES.index("voices an onset")]
    assert chordal == 1.0 and one.sections[0, SECTION_FEATURES.index("odd sixteenths")] == 0


def test_lengths_are_in_positions(folder):
    one = accompaniment.training_song(pop909.load(folder, LEARNED[0]), REGISTERS)
    assert set(model.LENGTHS[one.length].tolist()) == {2, 16}


def test_the_history_is_never_ahead(folder):
    one = accompaniment.training_song(pop909.load(folder, LEARNED[1]), REGISTERS)
    assert (one.history < np.arange(len(one.history))[:, None]).all()


def test_no_measured_song_is_learned_from_and_no_held_out_one(folder, tmp_path, monkeypatch):
    read = []
    load_all = pop909.load_all

    def watching(root, names):
        read.append(list(names))
        return load_all(root, names)

    monkeypatch.setattr(pop909, "load_all", watching)
    accompaniment.train(folder, tmp_path, config=QUICK)
    learned, held_out = read
    assert not any(frechet_distance.is_measured(name) for name in (*learned, *held_out))
    assert sorted([*learned, *held_out]) == LEARNED[:12] and not set(learned) & set(held_out) and held_out


def test_a_run_leaves_weights_and_a_card_and_the_weights_load(folder, tmp_path):
    report = accompaniment.train(
        folder, tmp_path, config=accompaniment.AccompanimentConfig(width=16, note_width=8, epochs=20, batch=32)
    )
    shipped, alone = report["rows"]["shipped"], report["rows"]["alone"]
    assert shipped["nll_onsets"]["mean"] < alone["nll_onsets"]["mean"]
    assert json.loads((tmp_path / "config.json").read_text())["training"]["recipe"]["width"] == 16
    assert "POP909" in (tmp_path / "README.md").read_text()
    model._load.cache_clear()
    assert model.load(tmp_path).section_features.shape[1] == len(SECTION_FEATURES)


def test_one_seed_gives_one_model(folder, tmp_path):
    one, same = (accompaniment.train(folder, tmp_path / name, config=QUICK) for name in ("one", "same"))
    assert one == same
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "same")]
    assert files[0] == files[1]


def test_the_arithmetic_in_numpy_is_that_of_the_trained_networks(folder, tmp_path):
    import torch

    torch.manual_seed(0)
    onset_network, note_network = accompaniment.OnsetNetwork(8, 0.0).eval(), accompaniment.NoteNetwork(8, 0.0).eval()
    rng = np.random.default_rng(0)
    sizes = (model.N_CONTEXT, model.N_CONTEXT, model.N_NOTE_FEATURES, model.N_NOTE_FEATURES)
    scale = [rng.random(size, np.float32) + 0.5 for size in sizes]
    names = ("context_mean", "context_scale", "notes_mean", "notes_scale")
    tensors = (
        accompaniment._named("onsets", onset_network)
        | accompaniment._named("touch", note_network)
        | dict(zip(names, scale, strict=True))
    )
    in_numpy = model.AccompanimentModel(
        tensors | {"section_features": np.zeros((1, len(SECTION_FEATURES)), np.float32)}
    )
    past = rng.integers(0, 2, (5, model.N_HISTORY * N_SLOTS)).astype(np.float32)
    context, notes = rng.random((5, model.N_CONTEXT), np.float32), rng.random((4, model.N_NOTE_FEATURES), np.float32)
    with torch.no_grad():
        onsets = onset_network(torch.from_numpy(past), torch.from_numpy((context - scale[0]) / scale[1])).numpy()
        touches = note_network(torch.from_numpy((notes - scale[2]) / scale[3])).numpy()
    assert_allclose(in_numpy.onset_logits(past, in_numpy.context_hidden(context)), onsets, atol=1e-5)
    assert_allclose(in_numpy.note_logits(notes), touches, atol=1e-5)


def test_a_folder_without_songs_to_learn_from_is_refused(tmp_path):
    with pytest.raises(DataError, match="too few songs"):
        accompaniment.train(write_songs(tmp_path / "data", ["002", "005"]), tmp_path / "out", config=QUICK)


def test_the_lattice_of_a_song_has_all_its_beats(folder):
    form = frechet_distance.form_of(pop909.load(folder, LEARNED[0]))
    bar = np.searchsorted(form.bars_s, form.steps_s + 1e-6) - 1
    assert len(Lattice.of(beats_of(form), bar)) == 4 * len(form.beats_s)
