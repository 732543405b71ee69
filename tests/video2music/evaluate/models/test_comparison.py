import json
from dataclasses import asdict

import pytest

from emotion.errors import CheckpointError, DataError
from emotion.train.loop import LoopConfig
from video2music.errors import OptionError
from video2music.evaluate.models.comparison import SHIPPED, collect_models
from video2music.model import regressor
from video2music.model.regressor import Regressor, RegressorConfig

SMALL = RegressorConfig(hidden=4, layers=1)


def write(folder, *, seed=0, epochs=3, dimensions=SMALL, **training):
    recipe = asdict(LoopConfig(epochs=epochs, seed=seed))
    regressor.save(Regressor(dimensions), folder, training={"recipe": recipe, **training})
    return folder


@pytest.fixture
def shipped(tmp_path):
    return write(tmp_path / "shipped")


@pytest.fixture
def collect(shipped, tmp_path):
    return lambda seeds=1, runs=tmp_path / "runs": collect_models(
        regressor.KIND, regressor.load, shipped, runs, seeds=seeds
    )


def test_the_shipped_weights_lead_and_the_lowest_seeds_follow(collect, tmp_path):
    for seed in (7, 2, 4):
        write(tmp_path / f"runs/regressor/seed-{seed}", seed=seed)
    found = collect(seeds=3)
    assert [run.seed for run in found[SHIPPED]] == [0, 2, 4]
    assert [run.name for run in found[SHIPPED]] == ["shipped weights", "regressor/seed-2", "regressor/seed-4"]


def test_other_variants_are_rows_of_their_own_with_all_their_seeds(collect, tmp_path):
    for seed in (1, 0):
        write(tmp_path / f"runs/without-{seed}", seed=seed, variant="no video", drop_rates=[1, 1.0, 1])
    write(tmp_path / "runs/some", variant="a | b", drop_rates=[0.4, 1.0, 0.1])
    found = collect()
    assert found.keys() == {SHIPPED, "no video", "a / b"}
    assert [run.seed for run in found["no video"]] == [0, 1]
    assert found["no video"][0].hidden == ("semantic", "emotion", "movement")
    assert found["a / b"][0].hidden == ("emotion",) and found[SHIPPED][0].hidden == ()


def test_a_repeated_seed_is_left_out_with_a_warning(collect, tmp_path, caplog):
    write(tmp_path / "runs/copy")
    write(tmp_path / "runs/one", variant="x")
    write(tmp_path / "runs/two", variant="x")
    found = collect()
    assert [len(runs) for runs in found.values()] == [1, 1]
    assert "runs/copy is left out: shipped weights is the same variant" in caplog.text
    assert "runs/two is left out: one is the same variant (x)" in caplog.text


@pytest.mark.parametrize("other", [{"epochs": 9}, {"dimensions": RegressorConfig(hidden=8, layers=1)}])
def test_a_run_of_another_recipe_is_no_seed_of_the_shipped_one(collect, tmp_path, caplog, other):
    write(tmp_path / "runs/other", seed=1, **other)
    assert [run.seed for run in collect()[SHIPPED]] == [0]
    assert "another recipe" in caplog.text
    with pytest.raises(OptionError, match="there are 1"):
        collect(seeds=2)


def test_too_few_seeds_are_refused_with_the_command_that_helps(collect, tmp_path):
    write(tmp_path / "runs/regressor/seed-1", seed=1)
    with pytest.raises(OptionError) as refused:
        collect(seeds=3)
    folder = tmp_path / "runs"
    assert f"train regressor --data MUVI_SYNC --seed 2 -o {folder}/regressor/seed-2" in str(refused.value)
    assert "seed 0, 1" in str(refused.value) and f"--runs {folder}" in str(refused.value)


def test_no_seeds_at_all_are_refused(collect):
    with pytest.raises(OptionError, match="--seeds 0"):
        collect(seeds=0)


def test_a_folder_that_is_not_there_is_refused_and_none_is_none(collect):
    with pytest.raises(DataError, match="no runs at"):
        collect()
    assert collect(runs=None).keys() == {SHIPPED}


def test_models_of_another_kind_are_passed_by_and_damaged_configs_are_not(collect, tmp_path):
    folder = tmp_path / "runs/amt"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"kind": "amt", "version": 1}))
    assert collect().keys() == {SHIPPED}
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"amt/config\.json cannot be read"):
        collect()
