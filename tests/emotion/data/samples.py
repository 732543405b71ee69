"""Tiny copies of data sets in the folders and tables that their authors give out, written without their cards."""

import csv
import json
from pathlib import Path

import numpy as np

from tests.emotion.waves import sine, wav

DEAM_STATIC = "annotations/annotations averaged per song/song_level/static_annotations_averaged_songs"


def sound(path: Path) -> None:
    """A tenth of a second under any name: readers do not listen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wav(path, sine(0.1, 8000), 8000)


def table(path: Path, *rows: tuple, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def deam(folder: Path) -> Path:
    """Six songs that show the edition, one of 2014 and one of 2015, in the common edition."""
    head = ("song_id", " valence_mean", " valence_std", " arousal_mean", " arousal_std")
    early = [(17, 4.4, 6), (19, 5.9, 4.3), (20, 5.4, 6.5), (25, 7.9, 4.7), (35, 4.8, 6.5), (43, 6.7, 3.5), (1000, 5, 1)]
    rows = [(f"      {song}", f"  {one} ", 1, f" {two}  ", 1) for song, one, two in [*early, (1001, 9, 1)]]
    table(folder / f"{DEAM_STATIC}_1_2000.csv", head, *rows)
    table(folder / f"{DEAM_STATIC}_2000_2058.csv", (*head, " valence_max_mean"), (2001, 7, 1, 3, 1, 8))
    songs = [(song, f"{song}.mp3", f'"The {song % 3}s"\t', "title", "0.10", "0.55", "Rock") for song, *_ in early]
    heading = ("song_id", "file_name", "Artist", "Song title", "start", "end", "Genre")
    table(folder / "metadata/metadata_2013.csv", heading, *songs)
    heading = ("Id", "Artist", "Album", "Track", "Genre", "start", "end")
    table(folder / "metadata/metadata_2014.csv", heading, (1001, "Björk", "a", "b", "c", 1, 2, "label", "label"))
    table(folder / "metadata/metadata_2015.csv", ("id", "Filename", "title", "artist"), (2001, "x", "y", "N/A"))
    for song in [*(song for song, *_ in early), 1001, 2001]:
        sound(folder / f"MEMD_audio/{song}.mp3")
    return folder


def emomusic(folder: Path) -> Path:
    head = ("song_id", "mean_arousal", "std_arousal", "mean_valence", "std_valence")
    table(folder / "annotations/static_annotations.csv", head, (17, "4.4\t", 1, "6\t", 1), (25, 9, 1, 1, 1))
    head = ("song_id", "file_name", "Artist", "Song title", "start", "end", "Genre", "Mediaeval 2013 set")
    songs = [
        (17, "17.mp3", "The 2s\t", "t", 0, 45, "Rock", "development\t"),
        (25, "25.mp3", "Other", "u", 0, 45, "Pop", "evaluation"),
    ]
    table(folder / "annotations/songs_info.csv", head, *songs)
    for song in (17, 25):
        sound(folder / f"clips_45seconds/{song}.mp3")
    return folder


def pmemo(folder: Path) -> Path:
    head = ("musicId", "Arousal(mean)", "Valence(mean)")
    table(folder / "annotations/static_annotations.csv", head, (1, 0.4, 0.575), (4, 1, 0), (5, 0, 0.25))
    head = ("musicId", "fileName", "title", "artist", "album", "duration", "chorus_start_time", "chorus_end_time")
    songs = [(song, f"{song}.mp3", "t", "Adele", "a", 30, "01:00", "01:30") for song in (1, 4, 5)]
    table(folder / "metadata.csv", head, *songs)
    for song in (1, 4, 5, 6):
        sound(folder / f"chorus/{song}.mp3")
    return folder


def mtg_jamendo(folder: Path) -> Path:
    head = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
    tracks = [
        ("track_0000948", "artist_000087", "album_000149", "48/948.mp3", 212.7, "mood/theme---deep"),
        ("track_0003524", "artist_000530", "album_0552", "24/3524.mp3", 266.1, "mood/theme---sad", "mood/theme---film"),
        ("track_1048681", "artist_359617", "album_123563", "81/1048681.mp3", 189.3, "mood/theme---sad"),
    ]  # fmt: skip
    table(folder / "data/autotagging_moodtheme.tsv", head, *tracks, delimiter="\t")
    for side, track in zip(("train", "validation", "test"), tracks, strict=True):
        path = folder / f"data/splits/split-0/autotagging_moodtheme-{side}.tsv"
        table(path, head, track, delimiter="\t")
    for track in tracks:
        sound(folder / "audio" / track[3])
    return folder


def fourq(folder: Path) -> Path:
    songs = [("MT0000004637", "Q3"), ("MT0000011357", "Q2"), ("MT0000040632", "Q1"), ("MT0000044741", "Q4")]
    table(folder / "panda_dataset_taffc_annotations.csv", ("Song", "Quadrant"), *songs)
    rows = [(song, artist, "t") for (song, _), artist in zip(songs, ("Abba ", "abba", "", "Dismember"), strict=True)]
    table(folder / "panda_dataset_taffc_metadata.csv", ("Song", "Artist", "Title"), *rows)
    for song, quadrant in songs:
        sound(folder / quadrant / f"{song}.mp3")
    return folder


def emopia(folder: Path) -> Path:
    clips = ("Q1_0vLPYiPN7qY_0", "Q2_1_with_lines_1", "Q3_7JIdJLkJ0S4_1")
    for side, clip in zip(("train", "val", "test"), clips, strict=True):
        table(folder / f"split/{side}.csv", ("fname", "label"), (clip, clip[:2]))
    for clip in clips:
        _midi(folder / f"midis/{clip}.mid")
    return folder


def vgmidi(folder: Path) -> Path:
    """As the authors give it out: what two rounds of raters said, no means; one rated piece is not listed."""
    for number, valence in ((1, -1.0), (2, 0.5)):
        name = f"Series_N64_Game {number}_Tune"
        says = {"piece0_1": ([valence, valence], [1, 0]), "piece0_2": ([valence, 0.5], [1, 1]), "piece9_1": ([0], [0])}
        predicted = {
            "annotations": {key: {"valence": v, "arousal": a} for key, (v, a) in says.items()},
            "pieces": {"piece0": {"midi": f"{name}.mid", "measures": 2}},
        }
        path = folder / f"labelled/annotations/vgmidi_raw_{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(predicted))
        _midi(folder / f"labelled/midi/{name}.mid")
    return folder


def ym2413(folder: Path) -> Path:
    names = ("Ys (FM) - 17 - See You Again", "07_Bonus")
    head = ("fname", "verified_tags", "toptag_eng_verified", "4Q")
    rows = [(f"{name}.wav", "sad, calm", "sad", "Q3") for name in names]
    table(folder / "emotion_annotation/verified_annotation.csv", head, *rows)
    for name in names:
        _midi(folder / f"midi/adjust_tempo_remove_delayed_inst/{name}.mid")
    return folder


def _midi(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0")


def ratings(folder: Path, scores: np.ndarray, *, swapped: bool) -> tuple[Path, Path]:
    """DEAM and emoMusic of the same songs, rated (N, 2) for valence and arousal; DEAM in either edition."""
    one, two = folder / "deam", folder / "emomusic"
    songs = range(100, 100 + len(scores))
    mixed = scores[:, ::-1] if swapped else scores
    rows = [(song, *pair) for song, pair in zip(songs, mixed, strict=True)]
    table(one / f"{DEAM_STATIC}_1_2000.csv", ("song_id", " valence_mean", " arousal_mean"), *rows)
    rows = [(song, *pair) for song, pair in zip(songs, scores, strict=True)]
    table(two / "static_annotations.csv", ("song_id", "mean_valence", "mean_arousal"), *rows)
    table(two / "songs_info.csv", ("song_id", "Artist"), *((song, "a") for song in songs))
    table(one / f"{DEAM_STATIC}_2000_2058.csv", ("song_id", " valence_mean", " arousal_mean"), (2001, 1, 1))
    sound(one / "MEMD_audio/2001.mp3")
    for song in songs:
        sound(one / f"MEMD_audio/{song}.mp3")
        sound(two / f"clips_45seconds/{song}.mp3")
    return one, two
