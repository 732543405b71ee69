"""What to tell a visitor of an error: one sentence, with files by the names that the visitor knows."""

import logging
import os
import re
from pathlib import Path

from emotion.errors import UserError

log = logging.getLogger(__name__)

_FOR_A_COMMAND = re.compile(r":[^:]*(?<![\w-])--?[a-z].*", re.DOTALL)  # advice that names an option


def sentence(error: BaseException, upload: Path | None = None, folder: Path | None = None) -> str:
    """An error's sentence without the server's folders: neither that of the upload nor that of the run."""
    if not isinstance(error, UserError):
        log.error("unforeseen", exc_info=error)
        return f"Something unforeseen happened ({type(error).__name__}): the terminal that serves this page says more."
    return plain(str(error), upload, folder)


def plain(told: str, upload: Path | None = None, folder: Path | None = None) -> str:
    """What somebody at a keyboard would be told, for a visitor, who knows neither folders nor options."""
    if upload is not None:  # its name is set aside, as it may look like an option
        told = told.replace(str(upload), "\0").replace(upload.name, "\0")
    if folder is not None:
        told = told.replace(f"{folder}{os.sep}", "").replace(str(folder), "the result")
    return _FOR_A_COMMAND.sub("", told).replace("\0", upload.name if upload else "")
