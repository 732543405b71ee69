"""The page, served for tests."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from video2music.studio import serving

THREADS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def own_environment() -> Iterator[None]:
    """What serving writes into the environment does not stay."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*serving.environment(Path()), *THREADS):
            patch.setenv(name, "")
        for name in THREADS:
            del os.environ[name]
        yield


@contextmanager
def served_page(root: Path, **fields: Any) -> Iterator[gr.Blocks]:
    """The page on a free port, with all that it makes below `root`; `fields` are those of Settings."""
    from video2music.studio import page as studio_page
    from video2music.studio.jobs import JobRunner

    settings = serving.Settings(root=root, port=free_port(), **fields)
    with own_environment():
        page = studio_page.build(JobRunner(settings))
        studio_page.serve(page, settings, prevent_thread_lock=True, quiet=True)
        try:
            yield page
        finally:
            page.close()
