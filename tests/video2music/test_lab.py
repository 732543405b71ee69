"""Chord labels as text, read back by mir_eval."""

import mir_eval
import numpy as np

from video2music.chords import QUALITIES, Chord, lab_lines, parse_sequence


def test_mir_eval_reads_the_labels_and_times_back(tmp_path):
    chords = parse_sequence("Am F N C:maj7 B:hdim7")
    starts, ends = np.arange(5) * 1.25, np.arange(1, 6) * 1.25
    path = tmp_path / "a.lab"
    path.write_text(lab_lines(chords, starts, ends))
    intervals, labels = mir_eval.io.load_labeled_intervals(str(path))
    np.testing.assert_allclose(intervals, np.stack([starts, ends], axis=1))
    assert labels == ["A:min", "F", "N", "C:maj7", "B:hdim7"]


def test_every_quality_is_a_label_that_mir_eval_knows():
    for quality in QUALITIES:
        chord = Chord(2, quality)
        label = lab_lines([chord], [0.0], [1.0]).split()[2]
        root, bitmap, _ = mir_eval.chord.encode(label)
        assert root == 2 and {(2 + int(i)) % 12 for i in np.flatnonzero(bitmap)} == set(chord.pitch_classes)
