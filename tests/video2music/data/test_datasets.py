from pathlib import Path

import pytest

from tests.video2music.evaluate.songs import write_muvi_sync
from video2music.data.datasets import DATASETS


@pytest.mark.parametrize("key", DATASETS)
def test_every_data_set_has_a_card_and_is_read_from_its_folder(key, tmp_path):
    assert DATASETS[key].card.key == key
    with pytest.raises(Exception, match=str(tmp_path)):
        DATASETS[key].read(tmp_path)


def test_muvi_sync_is_read_from_all_its_splits(tmp_path):
    songs = DATASETS["muvi_sync"].read(Path(write_muvi_sync(tmp_path)))
    assert songs and len({song.name for song in songs}) == len(songs)
