"""The tab that scores several clips with the same options."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from video2music.studio import serving, text, uploads
from video2music.studio.jobs import JobKey, JobRunner
from video2music.studio.page.widgets import (
    PRIVATE,
    REPEATABLE,
    cancel_before,
    enabled_download,
    error_messages,
    option_widget,
)
from video2music.studio.score_form import CURVE, MOST_CANDIDATES, PICTURE, POINT, ScoreForm


class BatchEvents:
    """The functions behind the tab's events."""

    def __init__(self, runner: JobRunner) -> None:
        self.runner = runner

    async def batch(
        self,
        clips: Sequence[str] | None,
        emotion: str,
        strength: float,
        style: str,
        source: str,
        seed: float | None,
        candidates: float,
        request: gr.Request,
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Score several clips with the same options: a table that fills, and at the end CSV, HTML and a ZIP."""
        from video2music.studio import batches

        form = ScoreForm(
            emotion=emotion, strength=strength, style=style, source=source, seed=seed, candidates=candidates,
            stems=False,
        )  # fmt: skip
        with error_messages():
            job_key = JobKey(request.session_hash, "batch")
            async with aclosing(batches.score(self.runner, clips or (), form, job_key)) as updates:
                async for progress, downloads in updates:
                    files = map(str, downloads) if downloads else (None,) * len(text.BATCH_DOWNLOADS)
                    yield *progress, *files

    def request(self, request: gr.Request) -> tuple[Any, ...]:
        """The buttons when a batch was requested: it can be cancelled."""
        self.runner.request(JobKey(request.session_hash, "batch"))
        return gr.Button(interactive=False), gr.Button(visible=True)

    def cancel(self, request: gr.Request) -> tuple[Any, ...]:
        """The tab when the visitor has cancelled a batch."""
        self.runner.cancel(JobKey(request.session_hash, "batch"))
        return *_idle(), text.STOPPED_BATCH, []

    def finish(self, request: gr.Request) -> Any:
        """The buttons when a batch has ended, unless the visitor has requested the next one meanwhile."""
        return gr.skip() if self.runner.is_open(JobKey(request.session_hash, "batch")) else _idle()


def build(runner: JobRunner) -> None:
    """Add the widgets and events of the tab."""
    events = BatchEvents(runner)
    gr.Markdown(text.BATCH_INTRO)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            clips = gr.File(
                label="Clips", file_count="multiple", file_types=list(uploads.TYPES["clip"]), elem_id="batch-files",
                height=180,
            )  # fmt: skip
            options = option_widgets()
            with gr.Row():
                start = gr.Button("Score all clips", variant="primary", elem_id="batch-start")
                cancel = gr.Button("Cancel", variant="stop", elem_id="batch-cancel", visible=False)
        with gr.Column(scale=2, min_width=320):
            status = gr.Markdown(text.BATCH_IDLE, label="Status", elem_id="batch-status")
            table = gr.Dataframe(
                headers=list(text.BATCH_COLUMNS), datatype="str", interactive=False, wrap=True, elem_id="batch-table",
                show_label=False,
            )  # fmt: skip
            with gr.Row():
                downloads = [
                    gr.DownloadButton(name, size="sm", interactive=False, elem_id=f"batch-{kind}")
                    for kind, name in text.BATCH_DOWNLOADS.items()
                ]
    scored = start.click(events.request, None, [start, cancel], **REPEATABLE, **PRIVATE).success(
        events.batch, [clips, *options], [table, status, *downloads], api_name="batch", show_progress_on=status,
        **REPEATABLE, **serving.work(runner.settings),
    )  # fmt: skip
    scored.then(events.finish, None, [start, cancel], **PRIVATE)
    scored.success(lambda: [enabled_download()] * len(downloads), None, downloads, **PRIVATE)
    cancel_before(cancel.click, scored)
    cancel.click(events.cancel, None, [start, cancel, status, table], **PRIVATE)


def option_widgets() -> list[Any]:
    """The options of a batch, in the order of the parameters of `BatchEvents.batch`."""
    emotions = [choice for choice in text.EMOTION_LABELS if choice[1] not in (POINT, CURVE)]
    return [
        option_widget("emotion", prefix="batch-", choices=emotions, value=PICTURE),
        option_widget("strength", prefix="batch-"),
        option_widget("style", prefix="batch-", choices=text.style_choices(), info=text.STYLE_INFO),
        option_widget("source", prefix="batch-", choices=text.source_choices()),
        option_widget("seed", prefix="batch-"),
        option_widget("candidates", prefix="batch-", most=MOST_CANDIDATES),
    ]


def _idle() -> tuple[Any, Any]:
    """The buttons when nothing is scored."""
    return gr.Button(interactive=True), gr.Button(visible=False)
