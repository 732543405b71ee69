"""Weights that were trained before modules were renamed still load; new ones are saved under the names of today."""

from safetensors import safe_open

from video2music.model import amt, loading, regressor


def names_in(folder):
    with safe_open(folder / "model.safetensors", "numpy") as file:
        return set(file.keys())


def test_every_tensor_of_the_shipped_weights_has_its_place_and_every_entry_of_the_table_is_used():
    old = names_in(amt.WEIGHTS) | names_in(regressor.WEIGHTS)
    for prefix in set(loading.RENAMED) - {"encoder.picture."}:  # of the paper's model, which does not ship
        assert any(name.startswith(prefix) for name in old), prefix
    for model, _ in (amt.load(), regressor.load()):
        assert not [name for name in model.state_dict() if name.startswith(tuple(loading.RENAMED))]


def test_weights_saved_under_the_names_of_today_load_as_well(tmp_path):
    model, _ = regressor.load()
    regressor.save(model, tmp_path)
    assert names_in(tmp_path) == set(model.state_dict())
    assert set(regressor.load(tmp_path)[0].state_dict()) == set(model.state_dict())
