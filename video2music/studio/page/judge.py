"""The tab that predicts the emotion of any music."""

from typing import Any

import gradio as gr

from video2music.studio import serving, text, uploads
from video2music.studio.jobs import JobKey, JobRunner
from video2music.studio.page.widgets import PRIVATE, enabled_download, error_messages, handlers, stage_bar, uploaded


def build(runner: JobRunner) -> None:
    """Add the widgets and events of the tab."""

    async def judge(
        music: str | None,
        judge: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 how gradio hands the bar over
    ) -> tuple[Any, ...]:
        """The emotion that a judge predicts for a sound or MIDI file: values, a view as HTML, and a JSON file."""
        with error_messages():
            upload = uploaded(music, text.NO_MUSIC)
            return await runner.run(
                lambda job: handlers().judge(job, upload, judge),
                stage_bar(progress),
                JobKey(request.session_hash, "judge"),
                upload=upload,
            )

    gr.Markdown(text.JUDGE_INTRO)
    choices = text.judge_choices()
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            music = gr.File(label="Music", file_types=list(uploads.TYPES["music"]), elem_id="judge-file", height=160)
            name = gr.Dropdown(
                choices, value=choices[0][1], label="Judge", elem_id="judge-name",
                info="The model that predicts. They were trained on different music and ratings.",
            )  # fmt: skip
            start = gr.Button("Predict emotion", variant="primary", elem_id="judge-start")
            download = gr.DownloadButton("Report (.json)", size="sm", interactive=False, elem_id="judge-json")
        with gr.Column(scale=2, min_width=320):
            view = gr.HTML(text.NO_PREDICTION, label="Prediction", elem_id="prediction", min_height=120)
            values = gr.JSON(visible=False, label="Values")
    judged = start.click(
        judge, [music, name], [values, view, download], api_name="judge", show_progress_on=view,
        **serving.work(runner.settings),
    )  # fmt: skip
    judged.success(enabled_download, None, download, **PRIVATE)
    judged.failure(_no_prediction, None, [values, view, download], **PRIVATE)


def _no_prediction() -> tuple[Any, ...]:
    """The prediction for an earlier file must not stand beside this one."""
    return None, text.NO_PREDICTION, gr.DownloadButton(value=None, interactive=False)
