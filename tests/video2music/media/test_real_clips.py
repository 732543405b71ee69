"""Every real clip and every malformed file of the shared folder, through the command line."""

import os
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import UserError
from tests.video2music.conftest import decoded_sound, picture_packets
from video2music import Options, compose

SHARED = Path(os.environ.get("V2M_DATA", Path(__file__).resolve().parents[4] / "shared"))
CLIPS = sorted(SHARED.glob("clips/*.*"))
EDGE = sorted(SHARED.glob("clips/edge/*.*"))

UNUSABLE = {
    "audio_only.mp4",
    "html_named.mp4",
    "random_bytes.mp4",
    "truncated_header_only.mp4",
    "zero_length.mp4",
}
RE_ENCODED = {"anim.gif"}  # no container takes GIF's pictures beside music


@pytest.mark.parametrize("clip", [*CLIPS, *EDGE] or [None], ids=lambda clip: clip.name if clip else "none")
def test_a_real_clip_is_scored_or_refused_in_a_sentence(shared, clip, tmp_path):
    try:
        result = compose(clip, tmp_path, Options(encoder="color", candidates=1))
    except UserError as error:
        assert clip.name in str(error) and "\n" not in str(error)
        assert list(tmp_path.rglob("*")) == []
        assert clip.name in UNUSABLE
        return
    assert clip.name not in UNUSABLE
    assert clip.name in RE_ENCODED or picture_packets(result.video) == picture_packets(clip)
    sound, rate = decoded_sound(result.video)
    assert len(sound) / rate == pytest.approx(result.duration_s, abs=0.05)
    assert np.abs(sound).max() < 1
    assert np.sqrt((sound**2).mean()) > 0.001
