"""Which models a draft is written with."""

from video2music.composing.draft import load_models
from video2music.model import amt
from video2music.model.attention import CONFIGS


def test_the_models_of_a_users_folder_replace_those_that_ship_one_by_one(tmp_path, monkeypatch):
    shipped = load_models()
    amt.save(amt.AMT(CONFIGS["tiny"]), tmp_path / "amt")
    monkeypatch.setenv("V2M_WEIGHTS", str(tmp_path))
    own = load_models()
    assert own.amt.config == CONFIGS["tiny"] and own.amt.config != shipped.amt.config
    assert own.weights_sha256["amt"] != shipped.weights_sha256["amt"]
    assert own.weights_sha256["regressor"] == shipped.weights_sha256["regressor"]
    monkeypatch.delenv("V2M_WEIGHTS")
    assert load_models().weights_sha256 == shipped.weights_sha256


def test_models_are_read_once():
    assert load_models() is load_models()
