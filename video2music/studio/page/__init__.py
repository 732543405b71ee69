"""The page: one file a tab, each with its widgets and events. `app.py` and `video2music app` serve it."""

import logging
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from emotion.errors import UserError
from emotion.runtime import wait_quietly
from video2music.studio import preload, serving, text
from video2music.studio.jobs import JobRunner
from video2music.studio.page import batch, judge, score
from video2music.studio.page.widgets import PRIVATE

CSS = Path(__file__).parent.parent / "static" / "page.css"


def build(runner: JobRunner) -> gr.Blocks:
    """The page, not yet served."""

    def close_session(request: gr.Request) -> None:
        runner.close_session(request.session_hash)

    page = gr.Blocks(title=text.TITLE, **serving.blocks(runner.settings))
    with page:
        gr.Markdown(text.WELCOME)
        with gr.Tabs():
            with gr.Tab("Score a clip", elem_id="tab-score"):
                score.build(runner)
            with gr.Tab("Judge music", elem_id="tab-judge"):
                judge.build(runner)
            with gr.Tab("Batch", elem_id="tab-batch"):
                batch.build(runner)
        page.unload(close_session)
        page.load(preload.start, **PRIVATE)
    return page


def theme() -> gr.themes.Base:
    """The fonts of the visitor's machine; a main button dark enough for white text, checkboxes visible in the dark."""
    fonts: Any = {"font": ("system-ui", "sans-serif"), "font_mono": ("ui-monospace", "monospace")}
    dark, darker = "*primary_700", "*primary_800"
    return gr.themes.Default(primary_hue="teal", neutral_hue="slate", **fonts).set(
        button_primary_background_fill=dark,
        button_primary_background_fill_dark=dark,
        button_primary_background_fill_hover=darker,
        button_primary_background_fill_hover_dark=darker,
        checkbox_border_color_dark="*neutral_400",
    )


def serve(page: gr.Blocks, settings: serving.Settings, **options: Any) -> None:
    """Serve a page; `options` are those of gradio's launch."""
    serving.serve(page, settings, theme=theme(), css=CSS.read_text(encoding="utf-8"), **options)


def main(arguments: Sequence[str] | None = None, *, program: str = "app.py") -> None:
    """Serve the page on this machine until stopped; `arguments` are those of the command line by default.

    `program` is what the help calls the command.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    wait_quietly()  # must be set before the first job imports torch
    try:
        runner = JobRunner(serving.read(sys.argv[1:] if arguments is None else arguments, program=program))
    except UserError as error:
        sys.exit(f"error: {error}")
    page = build(runner)
    serve(page, runner.settings, prevent_thread_lock=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    runner.shutdown()  # before the server, which would wait for every running job
    page.close()
