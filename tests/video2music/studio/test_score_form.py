"""What the widgets say becomes options, and a wish that cannot be granted a sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.affect import VA_ANCHORS
from video2music import Options, UserError, styles
from video2music.composing.target import requested_target
from video2music.studio.score_form import (
    CURVE,
    EMOTION_CHOICES,
    MOST_CANDIDATES,
    MOST_VARIANTS,
    PICTURE,
    POINT,
    ScoreForm,
    key_names,
)
from video2music.studio.text import encoder_choices
from video2music.values import Key


def test_a_page_that_nobody_touched_wishes_for_what_the_program_does_by_itself(tmp_path):
    assert ScoreForm(stems=False).options(tmp_path) == Options()
    assert list(tmp_path.iterdir()) == []


@given(
    st.builds(
        ScoreForm,
        emotion=st.sampled_from([name for name in EMOTION_CHOICES if name != CURVE]),
        valence=st.floats(-1, 1),
        arousal=st.floats(-1, 1),
        strength=st.floats(0, 1),
        style=st.sampled_from(styles.names()),
        key=st.sampled_from(["any", *key_names()]),
        primer=st.sampled_from(["", "  ", "Am F C G"]),
        tempo=st.sampled_from(["", " ", "90", "80-110"]),
        source=st.sampled_from(["duck", "keep", "replace"]),
        seed=st.none() | st.integers(0, 2**31),
        variants=st.integers(1, MOST_VARIANTS),
        candidates=st.integers(1, MOST_CANDIDATES),
        stems=st.booleans(),
    )
)
def test_whatever_the_widgets_offer_can_be_granted_and_aims_where_it_says(tmp_path_factory, wished):
    options = wished.options(tmp_path_factory.getbasetemp())
    target = requested_target(options, seconds=3)
    places = {**VA_ANCHORS, POINT: (wished.valence, wished.arousal)}
    if wished.emotion == PICTURE:
        assert target is None
    else:
        assert target.points == pytest.approx(np.tile(places[wished.emotion], (3, 1)), abs=1e-6)
    assert (options.strength, options.style, options.source) == (wished.strength, wished.style, wished.source)
    assert (options.key is None) == (wished.key == "any") and (options.primer is None) == (not wished.primer.strip())
    assert options.tempo in (None, (90, 90), (80, 110)) and options.seed == (wished.seed or 0)


@pytest.mark.parametrize("head", ["", "t_s,valence,arousal\n"])
def test_a_drawn_curve_lies_in_the_runs_own_folder_and_is_followed(tmp_path, head):
    options = ScoreForm(emotion=CURVE, curve=f"{head}0,-1,0\n4,1,0.5\n").options(tmp_path)
    assert requested_target(options, seconds=5).valence == pytest.approx([-1, -0.5, 0, 0.5, 1])
    (file,) = tmp_path.iterdir()
    assert file.read_text().splitlines()[0] == "t_s,valence,arousal"


@pytest.mark.parametrize(
    ("wished", "told"),
    [
        ({"style": "/etc/passwd"}, "no style '/etc/passwd'"),
        ({"style": "../../secrets.toml"}, "no style"),
        ({"emotion": "angry"}, "unknown emotion 'angry'"),
        ({"emotion": CURVE, "curve": " "}, "the curve is empty"),
        ({"emotion": CURVE, "curve": "0,0,0\n" * 20_000}, "letters"),
        ({"tempo": "quick"}, "tempo 'quick'"),
        ({"tempo": "5"}, "30 to 300"),
        ({"key": "H dur"}, "unknown key"),
        ({"primer": "Am Xy"}, "Xy"),
        ({"seed": 1.5}, "whole number"),
        ({"seed": -1}, "seed"),
        ({"seed": float("nan")}, "whole number"),
        ({"variants": None}, "whole number"),
        ({"variants": MOST_VARIANTS + 1}, "more than this page makes"),
        ({"candidates": 64}, "more than this page makes"),
        ({"strength": 2.0}, "strength"),
    ],
)  # fmt: skip
def test_what_cannot_be_granted_is_told_in_a_sentence(tmp_path, wished, told):
    with pytest.raises(UserError, match=told) as refused:
        ScoreForm(**wished).options(tmp_path)
    assert "\n" not in str(refused.value)


def test_every_key_is_offered_once():
    assert len({Key.parse(name) for name in key_names()}) == len(key_names()) == 24


def test_an_encoder_that_needs_no_download_is_always_offered():
    assert {"auto", "color"} <= {name for _, name in encoder_choices()}
