"""Models loaded before they are needed, once, while the first visitor looks around."""

import logging
import threading

from emotion.errors import UserError

log = logging.getLogger(__name__)

_door, _done = threading.Lock(), threading.Event()


def begin() -> None:
    """Load what composing needs in the background, unless that is done."""
    if not _done.is_set():
        threading.Thread(target=ready, name="load-models", daemon=True).start()


def ready() -> None:
    """Load what composing needs, unless that is done; whoever comes meanwhile waits.

    Two threads must not import at the same time what imports late: to the second one transformers looks empty.
    """
    with _door:
        if not _done.is_set():
            _load()
            _done.set()


def _load() -> None:
    from emotion import judge
    from video2music import pipeline
    from video2music.composing import draft

    try:
        draft.load_models()
        for name in (pipeline.SELECTS, pipeline.REPORTS):
            judge.load(name)
    except UserError as error:
        log.warning("not everything is loaded yet: %s", error)
