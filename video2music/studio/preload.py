"""Models loaded once, before they are needed, while the first visitor looks at the page."""

import logging
import threading

from emotion.errors import UserError

log = logging.getLogger(__name__)

_lock, _done = threading.Lock(), threading.Event()


def start() -> None:
    """Load what composing needs in the background, unless that is done."""
    if not _done.is_set():
        threading.Thread(target=wait, name="load-models", daemon=True).start()


def wait() -> None:
    """Load what composing needs, unless that is done; callers that come meanwhile wait.

    Two threads must not run the late imports at the same time: to the second one transformers looks empty.
    """
    with _lock:
        if not _done.is_set():
            _load()
            _done.set()


def _load() -> None:
    from emotion import judge
    from video2music import pipeline
    from video2music.composing import draft

    try:
        draft.load_models()
        for name in (pipeline.SELECTING_JUDGE, pipeline.REPORTING_JUDGE):
            judge.load(name)
    except UserError as error:
        log.warning("not everything is loaded yet: %s", error)
