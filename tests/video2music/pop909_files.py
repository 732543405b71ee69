"""A small POP909 on disk: a PIANO track of broken chords, and a MELODY track that must not be read."""

from pathlib import Path

import symusic

CHORDS = ("C:maj", "A:min", "F:maj", "G:maj")
BASSES = (48, 45, 41, 43)
TRIADS = ((60, 64, 67), (60, 64, 69), (60, 65, 69), (59, 62, 67))
BEAT_S = 0.5


def write_songs(folder: Path, names, *, bars: int = 24, published: bool = False) -> Path:
    """Songs of four-beat bars with a chord each; the last note of a bar is struck harder than the others."""
    for name in names:
        home = folder / name if published else folder
        home.mkdir(parents=True, exist_ok=True)
        beats = [f"{beat * BEAT_S} {float(beat % 2 == 0)} {float(beat % 4 == 0)}" for beat in range(4 * bars)]
        chords = [
            f"{bar * 4 * BEAT_S}\t{(bar + 1) * 4 * BEAT_S}\t{CHORDS[bar % 4] if bar else 'N'}" for bar in range(bars)
        ]
        (home / ("beat_midi.txt" if published else f"{name}.beats.txt")).write_text("\n".join(beats))
        (home / ("chord_midi.txt" if published else f"{name}.chords.txt")).write_text("\n".join(chords))
        _midi(bars, int(name)).dump_midi(str(home / f"{name}.mid"))
    return folder


def _midi(bars: int, number: int) -> symusic.Score:
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, qpm=60 / BEAT_S))
    piano, melody = (symusic.Track(name, 0, False) for name in ("PIANO", "MELODY"))
    for bar in range(bars):
        start = bar * 4 * 480
        piano.notes.append(symusic.Note(start, 4 * 480, BASSES[bar % 4], 70 + number % 7))
        for eighth in range(1, 8):
            if (bar + number) % 8 or eighth % 2:
                pitch = TRIADS[bar % 4][(eighth + number) % 3]
                piano.notes.append(symusic.Note(start + eighth * 240, 240, pitch, 60 + 30 * (eighth == 7)))
        melody.notes.append(symusic.Note(start, 480, 84, 100))
    score.tracks.append(melody)
    score.tracks.append(piano)
    return score
