"""Folds of the judges of sound: nothing of a held piece is known, predictions are kept, and tables have them."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion import judge, metrics
from emotion.affect import quadrant_index
from emotion.data.registry import DATASETS, TRAINING_SETS
from emotion.errors import DataError
from emotion.evaluate import sound
from emotion.judge import Segment
from emotion.models import adff as adff_model
from emotion.models.unified import sizes_of
from emotion.train import adff, crossval, unified
from emotion.train.crossval import CrossValidation, Experiment, HeldOutPredictions
from emotion.train.dataset import PieceVersions, SegmentCache, TrainingPiece
from emotion.train.unified import UnifiedTrainingPiece
from tests.emotion.plain_model import Plain, register_judge
from tests.emotion.train import four_sets

SIZES = sizes_of("mel")
KERNEL = Experiment("kernel", "kernel", ("fourq",))


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals are tests of metrics' own."""
    monkeypatch.setattr(metrics, "RESAMPLES", 50)


def piece(number, fold, quadrant=0, *, source="fourq", groups=None, affect=None):
    own = frozenset({f"artist {number}"} if groups is None else groups)
    return TrainingPiece(
        source, f"p{number}", own, fold, quadrant, affect, Path("p.mid" if source != "fourq" else "p.wav"), number
    )


def item(found, like=None):
    """A piece in chance numbers that depend on `like` alone, the second row another one."""
    values = np.random.default_rng(found.number if like is None else like).normal(size=(2, sum(SIZES)))
    return UnifiedTrainingPiece(found, values.astype(np.float32), np.ones((2, 4), bool))


def trial(tmp_path, **material):
    """A trial that has its material already."""
    found = CrossValidation(tmp_path / "data", tmp_path / "runs")
    found._pieces.update({("mel", name): items for name, items in material.items()})
    return found


def crowd(count=40):
    return [item(piece(number, number % 10, number % 4)) for number in range(count)]


def said(tmp_path, extra, name="p100"):
    predicted, _ = trial(tmp_path, fourq=[*crowd(), *extra]).predictions(KERNEL)
    return predicted.quadrants[[each.name for each in predicted.pieces].index(name)]


@pytest.fixture
def sharp(monkeypatch):
    """Kernel ridge that knows by heart what it was fitted on."""
    own = unified.UnifiedTrainConfig
    monkeypatch.setattr(crossval, "UnifiedTrainConfig", lambda: own(width=6.0, ridge=0.01))


def test_a_twin_in_another_fold_teaches_its_quadrant(tmp_path, sharp):
    held = item(piece(100, 0, 0), like=7000)
    for quadrant in range(4):
        predicted = said(tmp_path / str(quadrant), [held, item(piece(101, 1, quadrant), like=7000)])
        assert predicted.argmax() == quadrant


def test_twins_of_the_same_fold_or_of_the_same_group_teach_nothing(tmp_path, sharp):
    held = item(piece(100, 0, 0, groups={"game X", "tune y"}), like=7000)
    alone = said(tmp_path / "alone", [held])
    twins = {
        "same fold": piece(101, 0, 3),
        "same tune, no fold": piece(101, None, 3, groups={"tune y"}),
        "same game, another fold": piece(101, 5, 3, groups={"game X"}),
    }
    for number, twin in enumerate(twins.values()):
        np.testing.assert_allclose(said(tmp_path / str(number), [held, item(twin, like=7000)]), alone, atol=1e-5)


def test_pieces_without_a_fold_are_trained_on_and_never_predicted(tmp_path, sharp):
    extra = [item(piece(100, 0, 0), like=7000), item(piece(101, None, 3, groups=()), like=7000)]
    assert said(tmp_path / "one", extra).argmax() == 3
    predicted, _ = trial(tmp_path / "two", fourq=[*crowd(), *extra]).predictions(KERNEL)
    assert sorted(each.name for each in predicted.pieces) == sorted([*(f"p{n}" for n in range(40)), "p100"])


groups = st.frozensets(st.sampled_from("abcdef"), min_size=1, max_size=2)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(groups, st.one_of(st.none(), st.integers(0, 9))), min_size=1, max_size=25))
def test_no_model_is_given_a_group_of_a_held_piece(tmp_path_factory, made):
    items = [item(piece(number, fold, groups=names)) for number, (names, fold) in enumerate(made)]
    observed = []

    def noting(row, known, held, seed):
        observed.append((known, held))
        return {"quadrants": np.full((len(held), 4), 0.25), "affect": np.zeros((len(held), 2))}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossval, "_PREDICTORS", {"kernel": noting})
        trial(tmp_path_factory.mktemp("runs"), fourq=items).predictions(KERNEL)
    assert len(observed) == 10
    for fold, (known, held) in enumerate(observed):
        assert [each.piece.number for each in held] == [n for n, (_, own) in enumerate(made) if own == fold]
        kept = set().union(*(each.piece.groups for each in held))
        assert all(each.piece.groups.isdisjoint(kept) for each in known)
        assert len(known) == sum(names.isdisjoint(kept) for names, _ in made)


def test_kept_predictions_are_not_computed_again_and_those_of_other_data_are_refused(tmp_path, monkeypatch):
    first, _ = trial(tmp_path, fourq=crowd()).predictions(KERNEL)
    monkeypatch.setattr(crossval, "_PREDICTORS", {})  # no model is left to predict
    again, _ = trial(tmp_path, fourq=crowd()).predictions(KERNEL)
    np.testing.assert_array_equal(first.quadrants, again.quadrants)
    assert first.pieces == again.pieces
    with pytest.raises(DataError, match="is of other data: remove it"):
        trial(tmp_path, fourq=crowd(30)).predictions(KERNEL)


def test_predictions_are_kept_by_all_settings_defaults_included(monkeypatch):
    before = crossval._slug(KERNEL, 0)
    own = unified.UnifiedTrainConfig
    monkeypatch.setattr(crossval, "UnifiedTrainConfig", lambda: own(ridge=2.0))
    assert crossval._slug(KERNEL, 0) != before
    monkeypatch.undo()
    assert crossval._slug(KERNEL, 0) == before
    fourq = DATASETS["fourq"]
    shorter = replace(fourq, training=replace(fourq.role, longest_s=12.0))
    monkeypatch.setattr(crossval, "DATASETS", {**DATASETS, "fourq": shorter})
    assert crossval._slug(KERNEL, 0) != before


def test_seeds_are_reported_one_by_one_and_averaged(tmp_path, monkeypatch):
    segments = []

    def by_seed(row, known, held, seed):
        segments.append(seed)
        chances = np.eye(4)[[each.piece.quadrant if seed else 0 for each in held]]
        return {"quadrants": chances, "affect": np.zeros((len(held), 2))}

    monkeypatch.setattr(crossval, "_PREDICTORS", {"kernel": by_seed})
    found = trial(tmp_path, fourq=crowd())
    ((title, predicted),) = found.by_title(KERNEL, 2)
    assert title == "4Q: kernel" and len(predicted) == 2 and set(segments) == {0, 1} and len(segments) == 20
    figure = crossval.summarise(predicted)["accuracy"]
    assert figure["seeds"] == [0.25, 1.0] and figure["mean"] == 0.625
    ((_, once),) = found.by_title(replace(KERNEL, seeds=1), 2)
    assert len(once) == 1


def test_rows_that_differ_keep_their_predictions_in_files_of_their_own():
    assert len({crossval._slug(row, seed) for row in sound.EXPERIMENTS for seed in (0, 1)}) == 2 * len(
        sound.EXPERIMENTS
    )
    assert len({(row.name, row.sets) for row in sound.EXPERIMENTS}) == len(sound.EXPERIMENTS)


@pytest.mark.parametrize("row", sound.EXPERIMENTS, ids=lambda row: f"{row.name} {row.sets}")
def test_every_row_of_the_tables_is_of_a_model_that_can_be_made(row):
    assert set(row.sets) <= set(TRAINING_SETS) and row.model in crossval._PREDICTORS
    config, _ = row.settings()
    if row.model == "adff":
        adff_model.ADFFEnsemble(config)
    else:
        assert config is None and not row.config


def test_only_midi_is_predicted_by_its_sound_alone(tmp_path):
    rated = [
        item(piece(200 + n, n % 5, n % 4, source="vgmidi", affect=(np.cos(n), np.sin(n)))) for n in range(10)
    ]  # fmt: skip
    found = trial(tmp_path, fourq=crowd(), vgmidi=rated)
    whole, alone = found.predictions(replace(KERNEL, sets=("fourq", "vgmidi")))
    assert len(whole.pieces) == 50 and {each.source for each in alone.pieces} == {"vgmidi"} and len(alone.pieces) == 10
    of_vgmidi = whole.of_set("vgmidi")
    assert [each.name for each in of_vgmidi.pieces] == [each.name for each in alone.pieces]
    assert np.abs(of_vgmidi.quadrants - alone.quadrants).max() > 1e-3


def test_fewer_folds_are_tried_where_a_row_says_so(tmp_path, sharp):
    predicted, alone = trial(tmp_path, fourq=crowd()).predictions(replace(KERNEL, folds=3))
    assert {each.fold for each in predicted.pieces} == {0, 1, 2} and len(predicted.pieces) == 12 and alone is None


def lesson(number, fold):
    rng = np.random.default_rng(number)
    segment = Segment(
        rng.normal(-40, 8, (400, 96)).astype(np.float32), None, 8.0,
        {"vgg": rng.normal(size=(2, 36, 128)).astype(np.float32)},
    )  # fmt: skip
    return adff.prepare(PieceVersions(piece(number, fold, number % 4), (segment,)))


@pytest.mark.parametrize("tasks", [("affect",), ("quadrants", "affect")])
def test_adff_trained_on_the_plane_alone_predicts_quadrants_by_the_point(tasks):
    row = Experiment("a", "adff", ("fourq",), {"members": 1, "hidden": 4}, {"steps": 2, "batch": 4, "tasks": tasks})
    held = [lesson(50 + number, 0) for number in range(8)]
    found = crossval._adff(row, [lesson(number, 1) for number in range(8)], held, 0)
    assert found["quadrants"].shape == (8, 4) and found["affect"].shape == (8, 2)
    if tasks == ("affect",):
        np.testing.assert_array_equal(found["quadrants"].argmax(1), quadrant_index(found["affect"]))


def test_unified_predicts_from_sound_alone_where_the_row_is_among_those(monkeypatch):
    known, held = crowd(12), [item(piece(100 + n, 0, n % 4)) for n in range(4)]
    quick = {"steps": 2, "batch": 4, "members": 1, "distil": 0.0}
    for name, expected in ((crossval.ALSO_FROM_SOUND[0], 4), ("another", 2)):
        found = crossval._unified(Experiment(name, "unified", ("fourq",), recipe=quick), known, held, 0)
        assert len(found) == expected
        if expected == 4:
            assert np.abs(found["quadrants"] - found["quadrants_from_sound"]).max() > 0


def test_rated_pieces_are_scored_on_the_plane_and_the_others_by_quadrant():
    rng = np.random.default_rng(0)
    rated = [piece(n, 0, n % 4, source="vgmidi", affect=(np.cos(n), np.sin(n))) for n in range(12)]
    predicted = HeldOutPredictions(rated, rng.dirichlet(np.ones(4), 12), rng.uniform(-1, 1, (12, 2)))
    truth = np.array([each.affect for each in rated])
    assert crossval.summarise([predicted])["r2_arousal"]["mean"] == pytest.approx(
        metrics.r2(predicted.affect[:, 1], truth[:, 1])
    )
    plain = HeldOutPredictions([piece(n, 0, n % 4) for n in range(12)], predicted.quadrants, predicted.affect)
    accuracy = np.mean(predicted.quadrants.argmax(1) == np.arange(12) % 4)
    assert crossval.summarise([plain])["accuracy"]["mean"] == pytest.approx(accuracy)
    assert "ece" not in crossval.summarise([plain])


class Opposite(Plain):
    """Hears the contrary of the plain listener."""

    name = "opposite"

    def predict(self, stretches):
        found = super().predict(stretches)
        return np.hstack([-found[:, :2], found[:, [4, 5, 2, 3]]])


@pytest.fixture
def listeners(monkeypatch):
    register_judge(monkeypatch, plain=Plain, same=Plain, opposite=Opposite)
    judge._load.cache_clear()
    yield
    judge._load.cache_clear()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return four_sets.write(tmp_path_factory.mktemp("data"))


@pytest.mark.filterwarnings("ignore:All-NaN slice")  # two clips: judges that say the same have no kappa
def test_judges_are_compared_in_pairs_on_the_test_clips_of_emopia(data, tmp_path, listeners):
    library = SegmentCache(tmp_path, frontends=())
    with four_sets.with_folds(data):
        found = sound.agreement(data / "emopia", library)
    assert list(found) == ["plain and same", "plain and opposite", "same and opposite"]
    same, other = found["plain and same"], found["plain and opposite"]
    assert same["same_quadrant"]["mean"] == 1 and same["r_valence"]["mean"] == pytest.approx(1)
    assert other["same_quadrant"]["mean"] == 0 and other["r_arousal"]["mean"] == pytest.approx(-1)
    kept = {path.name.split(".")[0] for path in (tmp_path / "emopia").iterdir()}
    assert kept == set(four_sets.NAMES["emopia"][2:])  # of the other clips nothing is computed


def test_the_time_of_every_judge_is_taken(listeners):
    taken = sound.prediction_s(2.0, repeats=1)
    assert set(taken) == {"plain", "same", "opposite"} and all(0 < each < 10 for each in taken.values())


@pytest.mark.filterwarnings("ignore:All-NaN slice")  # two clips: judges that say the same have no kappa
def test_a_study_has_a_table_a_set_and_a_line_for_each_prediction(data, tmp_path, listeners, monkeypatch, sharp):
    rated = [piece(200 + n, n % 5, n % 4, source="vgmidi", affect=(np.cos(n), np.sin(n))) for n in range(10)]
    filled = trial(tmp_path, fourq=crowd(), vgmidi=[item(each) for each in rated])
    filled.cache = SegmentCache(tmp_path / "library", frontends=())
    monkeypatch.setattr(sound, "CrossValidation", lambda *_: filled)
    monkeypatch.setattr(sound, "prediction_s", partial(sound.prediction_s, 2.0, 1))
    chances = np.random.default_rng(0).dirichlet(np.ones(4), 8)
    monkeypatch.setattr(sound.classical, "predict_fourq", lambda *_: (chances, np.arange(8) % 4, []))
    rows = (KERNEL, replace(KERNEL, sets=("vgmidi",)))
    with four_sets.with_folds(data):
        done = sound.evaluate(data, runs=tmp_path / "runs", experiments=rows)
    assert list(done.report["rows"]) == [
        "4Q: 94 classical features, RBF SVM", "4Q: kernel", "VGMIDI: kernel", "VGMIDI: kernel, sound alone"
    ]  # fmt: skip
    assert len(done.predictions) == 40 + 10 + 10
    assert {len(line) for line in done.predictions} == {len(sound.COLUMNS)}
    first = done.predictions[0]
    assert first[:3] == ["4Q: kernel", "fourq", 0] and first[4] in (1, 2, 3, 4) and first[-2:] == ["", ""]
    by_name = {each.name: each for each in rated}
    for line in done.predictions[40:]:
        assert tuple(line[-2:]) == by_name[line[3]].affect and line[4] == by_name[line[3]].quadrant + 1
    text = sound.as_text(json.loads(json.dumps(done.report)))
    assert [line for line in text.splitlines() if line and line[0] not in "|"] == [
        "4Q", "VGMIDI", "Judges on renders of EMOPIA's test clips"
    ]  # fmt: skip
    assert "| kernel, sound alone |" in text and "| opposite |" in text and "| plain and same |" in text
