"""The page of a blind listening kit: one file that opens from a disk, without a server and without a network."""

import json
from pathlib import Path
from typing import Any

from video2music.evaluate.listening_key import CERTAIN, COLUMNS, QUESTIONS, SAME, SIDES, Key

TEMPLATE = Path(__file__).parent / "listening_page.html"
SCRIPT = Path(__file__).parent / "listening_page.js"


def page(key: Key) -> str:
    """The page for a key's trials. It names neither clips nor systems, nor which side is whose."""
    text = json.dumps(shown(key))  # nothing of it was written by a user, who could end the script element
    return TEMPLATE.read_text("utf-8").replace("/*SCRIPT*/", SCRIPT.read_text("utf-8")).replace("/*KIT*/", text)


def shown(key: Key) -> dict[str, Any]:
    """All that the page is told."""
    return {
        "kit": key.kit,
        "columns": COLUMNS,
        "questions": dict(QUESTIONS),
        "choices": {SIDES[0]: "Music 1", SIDES[1]: "Music 2", SAME: "no difference"},
        "certain": dict(CERTAIN),
        "trials": [
            {"number": trial.number, "media": trial.media, "picture": trial.picture, "asks": trial.asks}
            for trial in key.trials
        ],
    }
