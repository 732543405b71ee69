"""Models loaded before they are needed, once, while the first visitor looks around."""

import logging
import threading

from emotion.errors import UserError

log = logging.getLogger(__name__)

_begun = threading.Lock()  # taken by the first visitor, and kept


def begin() -> None:
    """Load what composing needs in the background; a second call does nothing."""
    if _begun.acquire(blocking=False):
        threading.Thread(target=_load, name="load-models", daemon=True).start()


def _load() -> None:
    from emotion import judge
    from video2music import draft, pipeline

    try:
        draft.load_models()
        for name in (pipeline.SELECTS, pipeline.REPORTS):
            judge.load(name)
    except UserError as error:
        log.warning("not everything is loaded yet: %s", error)
