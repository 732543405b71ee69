"""Any music, judged: what a judge hears in it, and the figures to hand out."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emotion import judge
from emotion.files import is_midi, whole_file
from emotion.values import EmotionReport
from video2music.errors import OptionError

JUDGES = tuple(judge.LISTENERS)
DEFAULT = "unified"  # hears both kinds, and had no part in choosing a piece


def hear(path: Path, who: str = DEFAULT) -> EmotionReport:
    """What a judge hears in a sound or a MIDI file, told apart by their names. Raises UserError."""
    if who not in JUDGES:
        raise OptionError(f"unknown judge {who!r}: choose one of {', '.join(JUDGES)}")
    heard = judge.load(who)
    return heard.hear(midi=path) if is_midi(path) else heard.hear(path)


def figures(report: EmotionReport, name: str) -> dict[str, Any]:
    """A report as plain data, of a file that was called `name`."""
    whole = report.whole
    return {
        "file": name,
        "valence": round(whole.valence, 4),
        "arousal": round(whole.arousal, 4),
        "quadrant": whole.quadrant,
        "confidence": round(whole.confidence, 4),
        **asdict(report),
    }


def written(report: EmotionReport, name: str, folder: Path) -> Path:
    """The figures as a JSON file in a run's folder. Raises OSError."""
    made = folder / f"{Path(name).stem}.feeling.json"
    with whole_file(made) as partial:
        partial.write_text(json.dumps(figures(report, name), indent=1) + "\n", encoding="utf-8")
    return made
