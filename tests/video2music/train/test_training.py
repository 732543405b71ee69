"""The training of tiny models on made-up songs: it learns stage by stage, stops and goes on."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from emotion.errors import DataError
from emotion.train.loop import LoopConfig, fit
from tests.video2music.evaluate.songs import SPLITS, write_muvi_sync
from video2music.chords import PAD, Chord
from video2music.data.batches import batch_of, drop_modalities, shuffled, statistics
from video2music.data.chord_lists import ChordList
from video2music.data.muvi_sync import Song
from video2music.model.amt import AMT
from video2music.model.attention import CONFIGS, AMTConfig
from video2music.model.conditioning import ALLOWED, allowed_chords
from video2music.model.regressor import Regressor, RegressorConfig
from video2music.model.video import collate
from video2music.train import amt, regressor

LOOP = [Chord.parse(name).id for name in ("C", "C", "G", "G", "A:min", "A:min", "F", "F")]
PAPER_STYLE = AMTConfig(32, 2, 64, encoder_layers=1, decoder_layers=1, copying=False)


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
LISTS = [
    ChordList(f"{index}", "", "", False, np.resize(np.roll(LOOP[::2], index), 20), np.arange(20) * 1.9, 38.0)
    for index in range(6)
]
RECIPE = LoopConfig(epochs=12, batch=4, rate=5e-3, warmup_steps=4)
TINY = amt.AMTVariant(CONFIGS["tiny"], replace(RECIPE, epochs=3))


def tiny(config=CONFIGS["tiny"]) -> AMT:
    torch.manual_seed(0)
    model = AMT(config)
    model.video_embedding.set_statistics(statistics(SONGS))
    return model


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before, model):
    """Names of the weights that moved."""
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}


# The loop that all stages share.


def run(folder, epochs_now=None, recipe=RECIPE, dimensions="tiny"):
    model = tiny()
    model.train()

    def epochs(generator):
        if epochs_now is not None and (folder / "resume.pt").exists():
            state = torch.load(folder / "resume.pt", weights_only=True)
            if len(state["history"]) == epochs_now:
                raise KeyboardInterrupt
        return shuffled(SONGS, RECIPE.batch, generator)

    def validate():
        return amt.song_loss(model, batch_of(SONGS), None).item()

    history = fit(
        model,
        epochs,
        lambda batch, _: amt.song_loss(model, batch, None),
        validate,
        recipe=recipe,
        n_batches=2,
        folder=folder,
        dimensions={"name": dimensions},
    )
    return model, history


def test_the_loss_falls_on_music_that_can_be_learnt(tmp_path):
    _, history = run(tmp_path)
    assert history[-1]["validation"] < 0.7 * history[0]["validation"]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    whole, whole_history = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", epochs_now=5)
    parts, parts_history = run(tmp_path / "parts")
    assert [row["validation"] for row in parts_history] == [row["validation"] for row in whole_history]
    assert not changed(weights(whole), parts)


@pytest.mark.parametrize("other", [{"recipe": replace(RECIPE, seed=1)}, {"dimensions": "another"}])
def test_a_folder_of_another_run_is_refused(tmp_path, other):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, epochs_now=1)
    with pytest.raises(DataError, match="another run"):
        run(tmp_path, **other)


def fit_scalar(tmp_path, figures, *, recipe):
    """A model of one matrix and one vector that learns nothing but decay; validation says what is given."""
    model = torch.nn.Linear(3, 2)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(1.0)
    reported, observed = iter(figures), []

    def validate():
        observed.append(model.weight.detach().clone())
        return next(reported)

    history = fit(
        model,
        lambda _: [None],
        lambda *_: 0.0 * (model.weight.sum() + model.bias.sum()),
        validate,
        recipe=recipe,
        n_batches=1,
        folder=tmp_path,
        dimensions={},
    )
    return model, history, observed


def test_decay_takes_from_matrices_and_spares_vectors(tmp_path):
    recipe = LoopConfig(epochs=2, rate=0.1, warmup_steps=2, decay=0.5, last_rate=1.0)
    model, _, _ = fit_scalar(tmp_path, [2.0, 1.0], recipe=recipe)
    assert model.weight.tolist() == [pytest.approx([(1 - 0.05 * 0.5) * (1 - 0.1 * 0.5)] * 3)] * 2  # half the rate first
    assert model.bias.tolist() == [1.0, 1.0]


def test_the_rate_warms_up_and_falls_to_its_last_share(tmp_path):
    recipe = LoopConfig(epochs=6, rate=0.1, warmup_steps=2, decay=1.0, last_rate=0.3)
    _, _, observed = fit_scalar(tmp_path, [float(-i) for i in range(6)], recipe=recipe)
    heights = [1.0, *(row[0, 0].item() for row in observed)]
    rates = [1 - after / before for before, after in pairwise(heights)]
    cosine = [0.3 + 0.7 * (1 + np.cos(np.pi * step / 6)) / 2 for step in (2, 3, 4, 5)]
    assert rates == pytest.approx([0.05, 0.1, *(0.1 * share for share in cosine)], abs=1e-6)


def test_the_best_epoch_is_kept_and_patience_ends_the_run(tmp_path):
    recipe = LoopConfig(epochs=9, rate=0.1, warmup_steps=0, decay=0.5, patience=2)
    model, history, observed = fit_scalar(tmp_path, [3.0, 1.0, 2.0, 2.0, 2.0, 0.0], recipe=recipe)
    assert [row["validation"] for row in history] == [3.0, 1.0, 2.0, 2.0]
    assert torch.equal(model.weight, observed[1]) and not model.training


# The losses.


def allowed_in_a_loop(emotion):
    strongest = ("exciting", "fearful", "tense", "sad", "relaxing", "neutral")[int(emotion.argmax())]
    chords = [Chord.from_id(i) for i in range(157)]
    return [float(chord.quality in ALLOWED[strongest]) for chord in chords] + [0.0, 0.0]


def test_the_affective_loss_is_torchs_bce_of_each_real_step():
    rng = np.random.default_rng(0)
    emotions = [rng.dirichlet(np.ones(6), length) for length in (3, 5)]
    picture = collate([(None, emotion, np.ones((len(emotion), 2))) for emotion in emotions])
    logits = torch.randn(2, 6, 159, generator=torch.Generator().manual_seed(0))  # one step more, for END
    each = [
        functional.binary_cross_entropy_with_logits(logits[row, step], torch.tensor(allowed_in_a_loop(now)))
        for row, emotion in enumerate(emotions)
        for step, now in enumerate(emotion)
    ]
    assert len(each) == 8
    torch.testing.assert_close(amt.affective_loss(logits, picture), torch.stack(each).mean())


def test_allowed_chords_are_those_of_the_table_whatever_the_shape():
    emotion = torch.eye(6)
    for shape in ((6, 6), (2, 3, 6)):
        found = torch.from_numpy(allowed_chords(emotion.reshape(shape).numpy()))
        assert found.shape == (*shape[:-1], 159)
        assert found.reshape(6, 159).tolist() == [allowed_in_a_loop(row) for row in emotion]


def test_the_affective_loss_counts_real_positions_only():
    emotion = np.eye(6)[np.zeros(5, int)]  # exciting, which allows maj, sus4 and 7
    picture = collate([(None, emotion[:3], np.ones((3, 2))), (None, emotion, np.ones((5, 2)))])
    logits = torch.randn(2, 5, 159, generator=torch.Generator().manual_seed(0))
    before = amt.affective_loss(logits, picture)
    logits[0, 3:] += torch.randn(2, 159)
    assert amt.affective_loss(logits, picture) == before


@torch.no_grad()
def test_surprise_is_the_smoothed_cross_entropy_of_each_chord_and_end():
    model, batch = tiny().eval(), batch_of([song(0, 5), song(1, 9)])
    said = model(batch.previous, batch.minor, None).log_softmax(-1)
    each = []
    for row, length in enumerate((5, 9)):
        for step in range(length + 1):  # END comes last
            right = said[row, step, batch.following[row, step]]
            each.append(-(0.95 * right + 0.05 * said[row, step].mean()))
    torch.testing.assert_close(amt.song_loss(model, batch, None), torch.stack(each).mean())


@torch.no_grad()
def test_the_papers_loss_weighs_surprise_and_feeling():
    model, batch = tiny(PAPER_STYLE).eval(), batch_of(SONGS[:2])
    variant = amt.AMTVariant(PAPER_STYLE, chord_weight=0.4, affective_weight=0.6, drop_rates=(0.0, 0.0, 0.0))
    logits = model(batch.previous, batch.minor, batch.video)
    expected = 0.4 * amt.song_loss(model, batch, batch.video) + 0.6 * amt.affective_loss(logits, batch.video)
    torch.testing.assert_close(amt.video_loss(model, batch, torch.Generator(), variant), expected)


def test_the_regressors_loss_is_that_of_a_plain_loop():
    torch.manual_seed(0)
    model = Regressor(RegressorConfig(hidden=8, members=2, dropout=0)).eval()
    model.target_mean.copy_(torch.tensor([0.4, 0.6]))
    model.target_scale.copy_(torch.tensor([0.3, 0.2]))
    batch = batch_of([song(0, 9), song(1, 14)])
    predicted, truth = model.member_scores(batch.video), (batch.dynamics - model.target_mean) / model.target_scale
    errors, correlations = [], []
    for member in range(2):
        for row, length in enumerate((9, 14)):
            for kind in range(2):
                said, real = predicted[member, row, :length, kind], truth[row, :length, kind]
                errors.append((((said - real) ** 2).mean() + 1e-4).sqrt())
                correlations.append(torch.corrcoef(torch.stack([said, real]))[0, 1])
    expected = torch.stack(errors).mean() + regressor.CORRELATION_WEIGHT * (1 - torch.stack(correlations).mean())
    torch.testing.assert_close(regressor.loss(model, batch, torch.Generator(), drop_rates=(0.0, 0.0, 0.0)), expected)


# The stages.


def test_pretraining_learns_from_chords_and_leaves_what_watches(tmp_path):
    model = tiny()
    before = weights(model)
    amt._pretrain(model, LISTS, SONGS[:2], replace(RECIPE, epochs=1, rate=0.02), tmp_path)
    moved = changed(before, model)
    assert moved and not [name for name in moved if name.startswith("conditioning.")]
    assert (tmp_path / "pretraining/resume.pt").is_file()


def test_songs_are_learnt_without_what_watches(tmp_path):
    model = tiny()
    before = weights(model)
    history = amt._train_on_songs(model, SONGS, SONGS[:2], TINY.recipe, TINY, tmp_path)
    assert len(history) == 3 and history[-1]["validation"] < history[0]["validation"]
    assert not [name for name in changed(before, model) if name.startswith("conditioning.")]


@pytest.mark.parametrize("affective_weight", [1.0, 0.0])
def test_conditioning_leaves_all_other_weights_as_they_are(tmp_path, affective_weight):
    model = tiny().eval()
    before = weights(model)
    variant = replace(TINY, affective_weight=affective_weight)
    amt._train_conditioning(model, SONGS, SONGS[:2], replace(RECIPE, epochs=2), variant, tmp_path)
    moved = changed(before, model)
    assert moved and all(name.startswith("conditioning.") for name in moved)
    assert ("conditioning.emotion_bias.calibration" in moved) is bool(affective_weight)


def test_conditioning_with_another_affective_weight_is_another_run(tmp_path):
    model, recipe = tiny().eval(), replace(RECIPE, epochs=1)
    amt._train_conditioning(model, SONGS, SONGS[:2], recipe, replace(TINY, affective_weight=0.0), tmp_path)
    with pytest.raises(DataError, match="another run"):
        amt._train_conditioning(model, SONGS, SONGS[:2], recipe, replace(TINY, affective_weight=3.0), tmp_path)


def test_a_model_that_attends_to_the_video_learns_all_at_once(tmp_path):
    model = tiny(PAPER_STYLE)
    before = weights(model)
    variant = amt.AMTVariant(PAPER_STYLE, chord_weight=0.4, affective_weight=0.6)
    amt._train_on_songs(model, SONGS, SONGS[:2], replace(RECIPE, epochs=1), variant, tmp_path)
    assert {"encoder", "layers", "head"} <= {name.partition(".")[0] for name in changed(before, model)}


def test_each_epoch_plays_the_lists_at_other_speeds():
    generator = torch.Generator().manual_seed(0)
    first, second = (amt._at_random_speed(LISTS, generator) for _ in range(2))
    assert [len(one) for one in first] != [len(one) for one in second]
    for one in (*first, *second):
        assert int(38 * np.exp(-amt.MAX_LOG_SPEED)) <= len(one) <= 38 * np.exp(amt.MAX_LOG_SPEED)
    again = amt._at_random_speed(LISTS, torch.Generator().manual_seed(0))
    assert all(np.array_equal(a.chords, b.chords) for a, b in zip(first, again, strict=True))


@pytest.fixture
def short(monkeypatch):
    """A tiny variant and stages of a few epochs."""
    monkeypatch.setattr(amt, "VARIANTS", {"tiny": TINY, "no pretraining": replace(TINY, pretraining=False)})
    monkeypatch.setattr(amt, "PRETRAINING", replace(RECIPE, epochs=1))
    monkeypatch.setattr(amt, "CONDITIONING", replace(RECIPE, epochs=2))


@pytest.fixture
def data(tmp_path):
    """A tiny MuVi-Sync and, beside it, chord lists of which one is a song of its test videos."""
    root = write_muvi_sync(tmp_path / "muvi")
    names = [name for split in SPLITS.values() for name in split]
    listed = [f"{name:03}-Artist {name} - Title {name} (Official Video)\tid{name}" for name in names]
    (root / "vevo_meta/idlist.txt").write_text("\n".join(listed) + "\n")
    for index in (2, 10):  # one of train, one of test
        path = tmp_path / f"lists/Artist_{index}/Album/01-Title_{index}.lab"
        path.parent.mkdir(parents=True)
        chords = np.roll(["C:maj", "A:min", "F:maj", "G:7"] * 6, index == 10)
        path.write_text("".join(f"{2.1 * i} {2.1 * i + 2.1} {chord}\n" for i, chord in enumerate(chords)))
    return root, tmp_path / "lists"


def test_chord_lists_of_songs_of_test_are_left_out(data):
    root, lists = data
    assert [one.title for one in amt._separate_lists(lists, root)] == ["Title_2"]


def test_all_stages_run_and_go_on_after_a_stop_as_if_there_had_been_none(tmp_path, short, data, monkeypatch):
    root, lists = data
    whole = amt.train(root, tmp_path / "whole", chord_data=lists, name="tiny")
    assert set(whole["rows"]) == {"repeat previous", "AMT", "AMT, no video"}
    assert (tmp_path / "whole/README.md").read_text().startswith(f"# {amt.card.AMT.title}")

    validate, calls = amt._validate, []

    def stopping(*args, **options):
        calls.append(len(calls))
        if len(calls) == 3:  # one epoch of pre-training, one of the songs, and now the second is not to end
            raise KeyboardInterrupt
        return validate(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(amt, "_validate", stopping)
        with pytest.raises(KeyboardInterrupt):
            amt.train(root, tmp_path / "parts", chord_data=lists, name="tiny")
    assert (tmp_path / "parts/songs/resume.pt").is_file() and not (tmp_path / "parts/conditioning").exists()
    parts = amt.train(root, tmp_path / "parts", chord_data=lists, name="tiny")
    one, other = ((tmp_path / folder / "model.safetensors").read_bytes() for folder in ("whole", "parts"))
    assert one == other and parts["rows"] == whole["rows"]


def test_a_variant_that_begins_with_chord_lists_is_refused_without_them(tmp_path, short, data):
    with pytest.raises(DataError, match="'tiny' begins with chord lists"):
        amt.train(data[0], tmp_path / "out", name="tiny")
    assert not (tmp_path / "out").exists()


def test_every_variant_has_a_recipe_that_fits_its_config():
    for name, variant in amt.VARIANTS.items():
        with torch.device("meta"):
            model = AMT(variant.config)
        assert (model.conditioning is not None) is variant.config.copying, name
        assert variant.config.copying or not variant.pretraining, f"{name} would learn from lists without its encoder"


# Batches.


def test_modalities_go_whole_songs_at_a_time_and_at_their_rates():
    picture = collate([(np.ones((2, 768)), np.ones((2, 6)), np.ones((2, 2)))] * 4000)
    kept = drop_modalities(picture, (0.4, 0.0, 1.0), torch.Generator().manual_seed(0)).present.float().mean(0)
    assert kept[0] == pytest.approx(0.6, abs=0.04) and kept[1] == 1 and kept[2] == 0


def test_padding_is_no_chord_to_learn():
    batch = batch_of([song(0, 5), song(1, 9)])
    assert (batch.following[0, 6:] == PAD).all() and (batch.following[0, :6] != PAD).all()
