"""The melody: A A B A, chord tones where chords begin, steps between them."""

from dataclasses import replace

import numpy as np
import pytest

from video2music.arranging import melody
from video2music.arranging.grid import Grid, parts_of, players_by_part
from video2music.arranging.texture import VoicedHarmony
from video2music.arranging.voicing import voice
from video2music.chords import parse_sequence
from video2music.composing.form import plan
from video2music.styles import parse, read
from video2music.values import Cut, Key

C_MAJOR = Key.parse("C major")


def styled(*rows, grid=4):
    """The piano with these rows as its motifs."""
    text = read("piano").split("[[motifs]]")[0]
    return parse(
        text + "".join(f'[[motifs]]\nname = "{r}"\ngrid = {grid}\nmelody = "{r}"\n' for r in rows), where="here"
    )


def grid_of(style, duration_s=60.0, cuts=()):
    form = plan(duration_s, cuts, arousal=0.0, style=style)
    grid = Grid.of(form)
    part = parts_of(grid)
    there = np.ones((len(style.instruments), len(grid)), bool)
    return replace(grid, part=part, players=players_by_part(style, part, there))


def sung(style, chords, **also):
    grid = grid_of(style, **also)
    played = [chords[step % len(chords)] for step in range(len(grid))]
    registers = style.registers
    pitches = [
        dict(zip(("bass", "tenor", "alto", "soprano"), one, strict=True)) if one else {}
        for one in voice(played, bass=registers.bass, upper=registers.upper)
    ]
    wanted = np.full(len(grid), 20.0)
    motifs = melody.choose_motifs(grid, style, wanted, np.random.default_rng(0))
    sounding = [chord if chord.root is not None else chords[0] for chord in played]
    notes = melody.melody_events(grid, motifs, style, VoicedHarmony(sounding, pitches, [0] * len(grid), C_MAJOR))
    return grid, motifs, played, notes


def test_a_section_states_its_motif_twice_answers_and_states_it_again_with_an_ending():
    style = styled("1-2- | 0--- | 2--- | 1---", "3--- | 2--- | 0-1- | 3---")
    grid, motifs, _, _ = sung(style, parse_sequence("C"))
    inside = [motif for motif, bar in zip(motifs, grid.bar.tolist(), strict=True) if bar >= 0]
    first = next(place for place, motif in enumerate(inside) if motif)
    rows = [inside[place].rows["melody"] if inside[place] else "" for place in range(len(inside))]
    shapes = ["".join(rows[place : place + 1]) for place in range(0, len(rows), 4)]
    told = shapes[first // 4 :]
    a, b = style.motifs[0].rows["melody"], style.motifs[1].rows["melody"]
    ended = {row: f"{row[:-4]}0{row[-3:]}" for row in (a, b)}
    main, other = (a, b) if a in told or ended[a] in told else (b, a)
    cycle = [main, main, other, ended[main], "", ""]
    start = (first // 4) % 6
    assert told[:5] == [cycle[(start + place) % 6] for place in range(5)]


def test_a_single_motif_is_answered_by_itself_upside_down():
    style = styled("0-1- | 2---")
    _, motifs, _, _ = sung(style, parse_sequence("C"))
    assert "2-1-0---" in {motif.rows["melody"] for motif in motifs if motif}


def test_a_passing_tone_fills_a_third_and_a_neighbour_a_repeated_tone():
    style = styled("0-~-1---", "0-~-0---", grid=8)
    _, _, _, notes = sung(style, parse_sequence("C"))
    steps = {
        (one.pitch, two.pitch, three.pitch)
        for one, two, three in zip(notes, notes[1:], notes[2:], strict=False)
        if two.sign == "~"
    }
    assert steps
    for before, passing, after in steps:
        assert passing % 12 in {0, 2, 4, 5, 7, 9, 11} and abs(after - passing) in (1, 2)
        assert before < passing < after or before > passing > after or (before == after and passing > after)


def test_chord_tones_stand_where_chords_begin_and_passing_tones_lead_by_step():
    style = styled("0-~-2-~- | 1-------", "2---1-~- | 0---..2-", grid=8)
    grid, _, played, notes = sung(style, parse_sequence("C Am F G E F Dm G"))
    assert {note.sign for note in notes} > {"~"}
    heads = set(np.round(grid.starts_s, 6).tolist())
    for place, note in enumerate(notes):
        step = int(np.searchsorted(grid.starts_s, note.start_s + 1e-6)) - 1
        if note.sign == "~":
            after = notes[place + 1]
            assert after.start_s == pytest.approx(note.end_s) and abs(after.pitch - note.pitch) <= 3
            assert round(note.start_s, 6) not in heads
        else:
            assert note.pitch % 12 in played[step].pitch_classes


def test_the_melody_is_silent_where_the_bass_is_alone_and_in_the_opening_phrase():
    style = styled("0--- | 1---")
    grid, _, played, notes = sung(style, parse_sequence("C N"))
    for note in notes:
        step = int(np.searchsorted(grid.starts_s, note.start_s + 1e-6)) - 1
        assert played[step].root is not None and grid.bar[step] >= 4


def test_the_first_sections_motif_comes_back_and_others_come_between():
    style = styled("0--- | 1---", "2--- | 3---", "1--- | 0---")
    grid, motifs, _, _ = sung(style, parse_sequence("C"), duration_s=120.0, cuts=[Cut(t, 20.0) for t in (30, 60, 90)])
    heads = [
        next((m.name for m, s in zip(motifs, grid.section.tolist(), strict=True) if m and s == number), None)
        for number in range(4)
    ]
    assert heads[0] == heads[2] != heads[1]


def test_there_is_no_melody_where_no_instrument_plays_it():
    style = styled("0--- | 1---")
    grid = replace(grid_of(style), players=((),) * 99)
    assert set(melody.choose_motifs(grid, style, np.full(len(grid), 20.0), np.random.default_rng(0))) == {None}
