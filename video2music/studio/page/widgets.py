"""What the tabs share: widgets made from the records of the options, buttons of a job, errors as messages, the bar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from video2music.errors import OptionError
from video2music.options import SPECS
from video2music.studio import preload, text
from video2music.studio.jobs import JobCancelled, JobError, Progress, RunProgress

# Gradio takes a cancelled event to be pending until the server has answered its /cancel, which waits for the job's
# thread; with the default, "once", a press that comes meanwhile may be dropped. So that nothing depends on that time,
# each step of a press has this: the button's own listener and the chained one that runs the job.
REPEATABLE: Any = {"trigger_mode": "multiple"}
# Of events that only change the page: they do not wait behind jobs, and programs have no use for them.
PRIVATE: Any = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


def cancel_before(listener: Callable[..., Any], *events: Any) -> None:
    """Cancel events when a listener is triggered, before any other function of the same listener.

    Gradio makes a step of its own of `cancels`, which the browser runs after the function that was registered with it.
    The page would say that the job is cancelled first, and a press that follows at once would be cancelled with it.
    """
    listener(None, None, None, cancels=list(events), **PRIVATE)


class JobWidgets(NamedTuple):
    """The button that starts a job, the one that cancels it, and a line on its state."""

    start: gr.Button
    cancel: gr.Button
    status: gr.Markdown


def job_widgets(label: str, name: str, idle: str, *, variant: Any = "primary") -> JobWidgets:
    """Widgets of a job; their elem_ids begin with `name`."""
    with gr.Row():
        start = gr.Button(label, variant=variant, elem_id=name)
        cancel = gr.Button("Cancel", variant="stop", elem_id=f"{name}-cancel", visible=False)
    return JobWidgets(start, cancel, gr.Markdown(idle, label="Status", elem_id=f"{name}-status"))


def option_widget(
    name: str,
    *,
    prefix: str = "",
    choices: Sequence[tuple[str, str]] | None = None,
    value: Any = None,
    most: int | None = None,
    **more: Any,
) -> Any:
    """The widget of one option: kind, label, range, default and tooltip come from its record.

    `prefix` is put before the elem_id, `choices` label the option's values for people, `value` is where the page begins
    instead of the default, and `most` is a lower limit than the option's own.
    """
    spec = SPECS[name]
    shown: dict[str, Any] = {"label": spec.label, "info": spec.help, "elem_id": f"{prefix}{name}", **more}
    start = spec.default if value is None else value
    if choices is not None:
        kind: Any = gr.Radio if spec.choices else gr.Dropdown
        return kind(list(choices), value=start, **shown)
    if spec.kind is bool:
        return gr.Checkbox(start, **shown)
    if spec.is_list or spec.kind is str:
        return gr.Textbox(value=start or "", **shown)
    high = most or spec.high
    if spec.step and spec.low is not None and high is not None and high <= 1000:
        return gr.Slider(spec.low, high, start or 0, step=spec.step, **shown)
    return gr.Number(start, precision=0 if spec.kind is int else None, minimum=spec.low, **shown)


@contextmanager
def error_messages() -> Iterator[None]:
    """Errors become messages on the page that stay until they are closed."""
    try:
        yield
    except (JobError, OptionError) as error:
        shown = not isinstance(error, JobCancelled)  # who pressed Cancel knows
        raise gr.Error(str(error), duration=None, visible=shown, print_exception=False) from None


def uploaded(file: str | None, otherwise: str) -> Path:
    """The path of an upload. Raises JobError with the sentence `otherwise` where there is none."""
    if file is None:
        raise JobError(otherwise)
    return Path(file)


def handlers() -> Any:
    """The module that does the work, imported with its models when it is first needed, which takes seconds."""
    preload.wait()
    from video2music.studio import handlers

    return handlers


def run_bar(bar: Callable[..., object], variants: int = 1) -> Progress:
    """The pipeline's stages as one bar that names the stage."""
    done = RunProgress({name: stage.share for name, stage in text.STAGES.items()}, variants=variants)

    def report(stage: str, fraction: float) -> None:
        bar(done.at(stage, fraction), desc=text.STAGES[stage].name)

    return report


def stage_bar(bar: Callable[..., object]) -> Progress:
    """A single stage as the whole bar."""

    def report(stage: str, fraction: float) -> None:
        bar(fraction, desc=text.STAGES[stage].name)

    return report


def enabled_download() -> gr.DownloadButton:
    """A download whose file is there now."""
    return gr.DownloadButton(interactive=True)
