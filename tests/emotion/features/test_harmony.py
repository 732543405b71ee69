"""Key and chords of sounds and notes whose harmony is known, and of real songs against people's annotations."""

import itertools
import time
from functools import lru_cache
from pathlib import Path

import mir_eval.chord
import mir_eval.key
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.features import harmony, sound
from emotion.midi import notes, synthesis

RATE = sound.SAMPLE_RATE
ROOTS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
TIMBRES = {  # amplitudes of a tone's partials
    "organ": (1.0, 0.8, 0.6, 0.5, 0.1, 0.3),
    "reed": (1.0, 0.05, 0.35, 0.05, 0.2, 0.03, 0.1),
    "strings": tuple(1 / number for number in range(1, 11)),
    "flute": (1.0, 0.15, 0.05),
}
TRIADS = ("maj", "min", "dim")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 11)}
TO_MODE = {"major": ("maj", "min", "min", "maj", "maj", "min", "dim"), "minor": ("min", "dim", "aug", "min", "maj")}


@lru_cache(maxsize=512)
def tone(pitch: float, seconds: float, partials=TIMBRES["strings"]) -> np.ndarray:
    """Partials in random phases, which the pitch alone decides, with soft ends."""
    times, phases = np.arange(round(seconds * RATE)) / RATE, np.random.default_rng(round(100 * pitch)).uniform(0, 6, 20)
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    waves = [
        level * np.sin(2 * np.pi * hertz * number * times + phases[number])
        for number, level in enumerate(partials, 1)
        if hertz * number < RATE / 2
    ]
    edge = np.minimum(1, np.minimum(times, times[::-1]) / 0.01)
    return (0.05 * np.sum(waves, axis=0) * edge).astype(np.float32)


def chord(pitches, seconds: float, partials=TIMBRES["strings"]) -> np.ndarray:
    return np.sum([tone(pitch, seconds, partials) for pitch in pitches], axis=0)


def voiced(root: int, quality: str, inversion: int = 0) -> list[int]:
    """The chord above C3, its lowest tones put an octave up, over an octave of its lowest tone."""
    pitches = [48 + root + above for above in harmony.QUALITIES[quality]]
    upper = pitches[inversion:] + [pitch + 12 for pitch in pitches[:inversion]]
    return [upper[0] - 12, *upper]


def heard(samples: np.ndarray) -> harmony.Harmony:
    return harmony.recognise(harmony.chroma([samples]))


def longest(found: harmony.Harmony) -> harmony.Span:
    return max(found.chords, key=lambda span: span.end_s - span.start_s)


def classes(root: int, quality: str) -> set[int]:
    return {(root + above) % 12 for above in harmony.QUALITIES[quality]}


def label(span: harmony.Span) -> str:
    return "N" if span.root is None else f"{ROOTS[span.root]}:{span.quality}"


def agreement(found: harmony.Harmony, intervals: np.ndarray, labels: list[str]) -> float:
    """mir_eval's share of the time whose major or minor triad is told right."""
    told, names = (
        np.array([[span.start_s, span.end_s] for span in found.chords]),
        [label(span) for span in found.chords],
    )
    told, names = mir_eval.util.adjust_intervals(told, names, intervals.min(), intervals.max(), "N", "N")
    merged, truth, names = mir_eval.util.merge_labeled_intervals(intervals, labels, told, names)
    with np.errstate(all="ignore"):
        return mir_eval.chord.weighted_accuracy(
            mir_eval.chord.majmin(truth, names), mir_eval.util.intervals_to_durations(merged)
        )


def written(path: Path, rows) -> Path:
    """A .mid of rows (start s, end s, pitches), by the first program."""
    midi, piano = pretty_midi.PrettyMIDI(resolution=960), pretty_midi.Instrument(0)
    for start, end, pitches in rows:
        piano.notes += [pretty_midi.Note(90, pitch, start, end) for pitch in pitches]
    midi.instruments.append(piano)
    midi.write(str(path))
    return path


def rendered(midi: Path, seconds: float):
    for block in synthesis.render(midi, duration_s=seconds, sample_rate=RATE):
        yield block.mean(1)


# A reed's third partial is as loud as the tones, and its fifths drown the diminished one.
@pytest.mark.parametrize(
    ("quality", "timbre"), [pair for pair in itertools.product(harmony.QUALITIES, TIMBRES) if pair != ("dim", "reed")]
)
def test_a_chord_is_recognised_on_every_root(quality, timbre):
    for root in range(12):
        found = longest(heard(chord(voiced(root, quality), 2.0, TIMBRES[timbre])))
        assert found.quality is not None
        assert classes(found.root, found.quality) == classes(root, quality), (root, found)
        assert quality == "aug" or found.root == root  # an augmented chord has three roots


@pytest.mark.parametrize("inversion", [1, 2])
@pytest.mark.parametrize("quality", TRIADS)
def test_an_inversion_is_the_same_chord(quality, inversion):
    for root in range(12):
        found = longest(heard(chord(voiced(root, quality, inversion), 2.0)))
        assert (found.root, found.quality) == (root, quality)


@pytest.mark.parametrize("cents", [-40, -30, 30, 40])
def test_an_instrument_out_of_tune_plays_the_same_chords(cents):
    for root, quality in ((0, "maj"), (3, "min"), (7, "maj"), (10, "dim"), (5, "min")):
        found = longest(heard(chord([pitch + cents / 100 for pitch in voiced(root, quality)], 2.0)))
        assert (found.root, found.quality) == (root, quality)


def test_silence_and_noise_hold_no_chord():
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    for samples in (np.zeros(4 * RATE, np.float32), noise):
        found = heard(samples)
        assert sum(span.end_s - span.start_s for span in found.chords if span.root is None) > 3.5
    assert not harmony.chroma([np.zeros(4 * RATE, np.float32)]).any()
    nothing = harmony.recognise(harmony.chroma([]))
    assert nothing.chords == () and not harmony.features(nothing).any()


def test_rows_of_silence_are_zero_and_the_others_sum_to_one():
    samples = np.concatenate([np.zeros(2 * RATE, np.float32), chord((60, 64, 67), 2.0)])
    total = harmony.chroma([samples]).sum(1)
    assert len(total) == 40 and not total[:18].any()
    np.testing.assert_allclose(total[20:], 1, atol=1e-5)


PROGRESSION = ((0, "maj"), (9, "min"), (5, "maj"), (7, "7"), (0, "maj"), (2, "min"), (11, "dim"), (0, "maj"))


@pytest.mark.parametrize("timbre", TIMBRES)
def test_chords_change_within_three_tenths_of_a_second_of_where_they_do(timbre):
    lengths = (1.7, 0.9, 1.3, 2.1, 0.8, 1.0, 1.2, 1.6)
    parts = [chord(voiced(*name), length, TIMBRES[timbre]) for name, length in zip(PROGRESSION, lengths, strict=True)]
    found = heard(np.concatenate(parts)).chords
    assert [(span.root, span.quality) for span in found] == list(PROGRESSION)
    np.testing.assert_allclose([span.start_s for span in found], np.cumsum((0, *lengths[:-1])), atol=0.3)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 200_000), max_size=12))
def test_chroma_does_not_depend_on_the_blocks(lengths):
    samples = np.concatenate([chord(voiced(root, "min7"), 7.0) for root in (0, 4, 9, 2, 7)])
    blocks = np.split(samples, np.minimum(np.cumsum(lengths), len(samples)))
    np.testing.assert_allclose(harmony.chroma(blocks), harmony.chroma([samples]), atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2400, 2401, 720_000, 720_001, 1_500_000])
def test_there_is_a_row_for_every_tenth_of_a_second_begun(count):
    samples = np.full(count, 0.1, np.float32)
    assert harmony.chroma([samples]).shape == (-(-count // 2400), 12)


def test_chroma_holds_no_more_than_a_stretch_of_samples():
    """Blocks are asked for one by one while rows are made, and the level does not matter."""
    block = chord((60, 64, 67), 5.0)
    asked = []

    def blocks():
        for place in range(40):
            asked.append(place)
            yield block

    chunks = harmony._chunks(blocks())
    for done, stretch in enumerate(chunks, 1):
        assert len(stretch) <= harmony.CHUNK_ROWS * harmony.HOP + harmony.WINDOW
        assert len(asked) <= done * 6 + 2
    np.testing.assert_allclose(harmony.chroma([0.2 * block]), harmony.chroma([block]), atol=1e-4)


@pytest.mark.parametrize("mode", SCALES)
@pytest.mark.parametrize("tonic", range(12))
def test_the_key_of_chords_in_a_key_is_that_key(tonic, mode):
    """Tonic, subdominant, dominant, tonic in each of the 24 keys, by ear and by notes."""
    third = "maj" if mode == "major" else "min"
    names = [(tonic, third), ((tonic + 5) % 12, third), ((tonic + 7) % 12, "maj"), (tonic, third)]
    found = heard(np.concatenate([chord(voiced(*name), 1.0) for name in names]))
    told = f"{ROOTS[found.tonic]} {found.mode}"
    assert mir_eval.key.weighted_score(f"{ROOTS[tonic]} {mode}", told) == 1
    assert found.key_confidence > 0 and (found.mode_evidence > 0) == (mode == "major")


@pytest.mark.parametrize("mode", SCALES)
def test_the_key_of_a_scale_from_tonic_to_tonic_is_that_key(tmp_path, mode):
    for tonic in range(12):
        steps = [*SCALES[mode], 12, 7, 4 if mode == "major" else 3, 0]
        rows = [(0.4 * place, 0.4 * place + 0.4, [60 + tonic + step]) for place, step in enumerate(steps)]
        read = notes.read(written(tmp_path / "scale.mid", rows))
        found = harmony.recognise(harmony.chroma_of_notes(read, read.duration_s))
        assert (found.tonic, found.mode) == (tonic, mode)


def test_a_midi_and_its_render_agree(tmp_path):
    rows = [
        (2.0 * place, 2.0 * place + 1.95, [12 + pitch for pitch in voiced(*name)])
        for place, name in enumerate(PROGRESSION)
    ]
    midi = written(tmp_path / "progression.mid", rows)
    seconds = 2.0 * len(PROGRESSION)
    by_notes = harmony.recognise(harmony.chroma_of_notes(notes.read(midi), seconds))
    by_ear = harmony.recognise(harmony.chroma(rendered(midi, seconds)))
    assert [(span.root, span.quality) for span in by_notes.chords] == list(PROGRESSION)
    spans = np.array([[span.start_s, span.end_s] for span in by_notes.chords])
    assert agreement(by_ear, spans, [label(span) for span in by_notes.chords]) > 0.9
    assert (by_ear.tonic, by_ear.mode) == (by_notes.tonic, by_notes.mode) == (0, "major")


def test_chroma_of_notes_knows_when_and_how_long_and_no_drums(tmp_path):
    midi = pretty_midi.PrettyMIDI(resolution=960)
    piano, kit = pretty_midi.Instrument(0), pretty_midi.Instrument(0, is_drum=True)
    piano.notes = [pretty_midi.Note(90, 62, 1.0, 2.0)]
    kit.notes = [pretty_midi.Note(90, 36, 0.0, 3.0)]
    midi.instruments += [piano, kit]
    midi.write(str(tmp_path / "one.mid"))
    found = harmony.chroma_of_notes(notes.read(tmp_path / "one.mid"), 3.05)
    assert found.shape == (31, 12)
    assert (found[10:20].argmax(1) == 2).all() and not found[:8].any() and not found[22:].any()


def random_harmony(seed: int, rows: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.repeat(rng.dirichlet(np.full(12, 0.4), rows // 10), 10, axis=0).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 11))
def test_transposing_moves_the_chords_and_leaves_the_features(seed, semitones):
    plain = random_harmony(seed)
    first, second = harmony.recognise(plain), harmony.recognise(np.roll(plain, semitones, axis=1))
    moved = [(span.start_s, span.root is not None and (span.root + semitones) % 12) for span in first.chords]
    symmetric = any(span.quality == "aug" for span in first.chords)  # three names, of which the order chooses
    assert (first.tonic + semitones) % 12 == second.tonic and first.mode == second.mode
    if not symmetric:
        assert moved == [(span.start_s, span.root is not None and span.root) for span in second.chords]
        np.testing.assert_allclose(harmony.features(first), harmony.features(second), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_chords_follow_each_other_without_gaps_and_features_are_finite(seed, tens):
    chroma = random_harmony(seed, 10 * tens)
    found = harmony.recognise(chroma)
    assert found.chords[0].start_s == 0 and found.chords[-1].end_s == pytest.approx(tens)
    for one, after in zip(found.chords[:-1], found.chords[1:], strict=True):
        assert one.end_s == after.start_s and (one.root, one.quality) != (after.root, after.quality)
    described = harmony.features(found)
    assert described.shape == (len(harmony.NAMES),) and np.isfinite(described).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_the_path_is_the_best_of_all_paths(seed):
    scores = np.random.default_rng(seed).normal(0, 2, (5, 4))

    def worth(path):
        moves = [
            harmony.SELF_TRANSITION if a == b else (1 - harmony.SELF_TRANSITION) / 3
            for a, b in itertools.pairwise(path)
        ]
        return sum(scores[row, state] for row, state in enumerate(path)) + np.log(moves).sum()

    best = max(np.ndindex(*[4] * 5), key=worth)
    assert worth(harmony._path(scores)) == pytest.approx(worth(best))


def feature(found: harmony.Harmony, name: str) -> float:
    return float(harmony.features(found)[harmony.NAMES.index(name)])


def test_the_features_count_what_their_names_say():
    spans = [("maj", 0, 4.0), ("maj", 5, 2.0), ("7", 7, 2.0), ("maj", 0, 4.0), (None, None, 4.0), ("min", 9, 4.0)]
    ends = np.cumsum([seconds for *_, seconds in spans]).tolist()
    chords = tuple(
        harmony.Span(end - seconds, end, root, quality)
        for (quality, root, seconds), end in zip(spans, ends, strict=True)
    )
    found = harmony.Harmony(chords, 0, "major", 0.1, 0.2, (1 / 12,) * 12, (0.3, 0.1))
    expected = {
        "major on 0": 0.4, "major on 5": 0.1, "major on 7": 0.1, "minor on 9": 0.2, "share of no chord": 0.2,
        "share of maj": 0.5, "share of 7": 0.1, "changes a second": 3 / 20, "fifth up": 1 / 3, "step up": 1 / 3,
        "fifth down": 1 / 3, "V-I": 1 / 3, "IV-I": 0.0, "major - minor": 0.2, "minor - major chords": -0.4,
        "dissonance": 0.3, "major key": 1.0,
    }  # fmt: skip
    # C to F is a fifth down, F to G a step up, G to C a fifth down; A minor follows a rest
    expected |= {"fifth down": 2 / 3, "fifth up": 0.0}
    assert {name: feature(found, name) for name in expected} == pytest.approx(expected)


def test_seconds_clash_more_than_thirds_and_thirds_more_than_fifths():
    pairs = {steps: np.eye(12)[0] + np.eye(12)[steps] for steps in (1, 4, 6, 7)}
    clashes = {steps: harmony._dissonance(row[None] / 2)[0] for steps, row in pairs.items()}
    assert clashes[1] > clashes[6] > clashes[4] > clashes[7] == pytest.approx(0)


SONGS = ("003", "203", "403", "603", "803")


def annotated(path: Path, start_s: float, seconds: float) -> tuple[np.ndarray, list[str]]:
    rows = [line.split() for line in path.read_text().splitlines()]
    spans = np.array([[float(start), float(end)] for start, end, _ in rows]) - start_s
    kept = (spans[:, 1] > 0) & (spans[:, 0] < seconds)
    return np.clip(spans[kept], 0, seconds), [row[2] for row, keep in zip(rows, kept, strict=True) if keep]


def test_chords_of_rendered_songs_are_those_that_people_wrote_down(shared):
    """30 s from the middle of five POP909 songs that no constant was chosen on; best constant chord beside them."""
    by_ear, by_notes, constant = [], [], []
    for song in SONGS:
        midi = shared / "data" / "pop909" / f"{song}.mid"
        truth = annotated(shared / "data" / "chords" / "pop909" / f"{song}.txt", 40.0, 30.0)
        rows = harmony.chroma(rendered(midi, 70.0))
        by_ear.append(agreement(harmony.recognise(rows[400:]), *truth))
        rows = harmony.chroma_of_notes(notes.read(midi), 70.0)
        by_notes.append(agreement(harmony.recognise(rows[400:]), *truth))
        constant.append(max(agreement(always(root, kind), *truth) for root in range(12) for kind in ("maj", "min")))
    assert np.mean(by_ear) > 0.8 > 0.5 > np.mean(constant)
    assert np.mean(by_notes) > 0.8


def always(root: int, quality: str) -> harmony.Harmony:
    return harmony.Harmony((harmony.Span(0.0, 30.0, root, quality),), 0, "major", 0.0, 0.0, (0.0,) * 12, (0.0, 0.0))


def test_a_minute_takes_a_fraction_of_a_second():
    samples = np.concatenate([chord(voiced(root, "min7"), 12.0) for root in (0, 4, 9, 2, 7)])
    rows = harmony.chroma([samples])  # makes the filters
    taken = []
    for _ in range(3):
        started = time.process_time()
        found = harmony.recognise(harmony.chroma([samples]))
        taken.append(time.process_time() - started)
    assert len(rows) == 600 and found.chords
    assert min(taken) < 1.5  # .2 s on an idle core
