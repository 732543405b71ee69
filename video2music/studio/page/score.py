"""The tab that scores one clip: the clip and its analysis, the options, the variants with their views and downloads."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gradio as gr

from video2music.studio import curve, serving, text
from video2music.studio.jobs import STOPPED, JobKey, JobRunner, job_errors
from video2music.studio.page.widgets import (
    PRIVATE,
    REPEATABLE,
    JobWidgets,
    cancel_before,
    error_messages,
    handlers,
    job_widgets,
    option_widget,
    run_bar,
    stage_bar,
    uploaded,
)
from video2music.studio.score_form import (
    ANY_KEY,
    CURVE,
    MOST_CANDIDATES,
    MOST_VARIANTS,
    PICTURE,
    POINT,
    ScoreForm,
    whole_number,
)
from video2music.studio.session import WHOLE_PIECE, Session, SessionPiece, best_match

SLOTS = 6  # variants that are shown side by side
MOST_NUMBERS = 1000  # of variants in one session
SCROLL = "() => document.getElementById('results')?.scrollIntoView({behavior: 'smooth', block: 'start'})"
ONE_AT_A_TIME = "() => document.querySelectorAll('.players > :not(#%s) video').forEach(video => video.pause())"


class ScoreEvents:
    """The functions behind the tab's events."""

    def __init__(self, runner: JobRunner) -> None:
        self.runner = runner

    async def analyse(
        self,
        clip: str | None,
        encoder: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 how gradio hands the bar over
    ) -> tuple[Any, ...]:
        """The features of a clip as HTML, and the emotion of its picture as a curve to draw on."""
        with error_messages():
            upload = uploaded(clip, text.NO_CLIP)
            return await self.runner.run(
                lambda job: handlers().analyse(job, upload, encoder),
                stage_bar(progress),
                JobKey(request.session_hash, "analyse"),
                upload=upload,
                keep=False,
            )

    async def compose(
        self,
        clip: str | None,
        emotion: str,
        valence: float,
        arousal: float,
        curve: str,
        strength: float,
        style: str,
        key: str,
        primer: str,
        tempo: str,
        source: str,
        seed: float | None,
        variants: float,
        candidates: float,
        encoder: str,
        stems: bool,
        session: Session,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Compose for the clip: the files of the best variant, and a sentence on it."""
        form = ScoreForm(
            emotion, valence, arousal, curve, strength, style, key, primer, tempo, source, seed, variants, candidates,
            encoder, stems,
        )  # fmt: skip
        with error_messages():
            upload = uploaded(clip, text.NO_CLIP)
            pieces = await self.runner.run(
                lambda job: handlers().compose(job, upload, form),
                run_bar(progress, whole_number("variants", variants)),
                JobKey(request.session_hash, "compose"),
                upload=upload,
            )
            session.replace_all(pieces)
            return await self._downloads(lambda: best_piece(session), session.pieces[0])

    async def reroll(
        self,
        which: int,
        redraw: int,
        keep: Sequence[str],
        session: Session,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Redraw a variant, whole but for what is kept, or one section; the new one comes beside the others."""
        section = int(redraw or WHOLE_PIECE)
        locks = () if section else tuple(keep or ())
        with error_messages():
            piece = session.piece(which)
            self.runner.touch(piece)
            again = await self.runner.run(
                lambda job: handlers().redraw(job, piece, number=session.next_redraw(), section=section, locks=locks),
                run_bar(progress),
                JobKey(request.session_hash, "compose"),
                upload=piece.clip,
            )
            dropped = session.add(again, SLOTS)
            newest = session.pieces[-1]
            return await self._downloads(lambda: newest, newest, dropped)

    async def variant(self, which: int, session: Session) -> tuple[Any, ...]:
        """The files of a variant, and a sentence on it."""
        with error_messages():
            piece = session.piece(which)
            return await self._downloads(lambda: piece, piece)

    async def _downloads(
        self, choose: Callable[[], SessionPiece], example: SessionPiece, dropped: Sequence[SessionPiece] = ()
    ) -> tuple[Any, ...]:
        """The files of the piece that `choose` gives, and a sentence on it; `example` is of the same clip and run.

        Choosing and the sentence read manifests, so they belong into the thread and under the guard for errors.
        """

        def read() -> tuple[Any, ...]:
            piece = choose()
            return *handlers().files(piece), text.result_sentence(piece, dropped)

        return await self.runner.run_short(read, example)

    async def demo(self) -> str:
        """The clip that the program draws itself."""
        with error_messages():
            return str(await self.runner.demo_clip())

    def request(self, request: gr.Request) -> tuple[Any, ...]:
        """The buttons when a piece was requested: it can be cancelled, and no other be started."""
        self.runner.request(JobKey(request.session_hash, "compose"))
        return gr.Button(interactive=False), gr.Button(interactive=False), gr.Button(visible=True), text.WORKING

    def cancel(self, request: gr.Request) -> tuple[Any, ...]:
        """The buttons when the visitor has cancelled it."""
        self.runner.cancel(JobKey(request.session_hash, "compose"))
        return *_idle(), STOPPED

    def finish(self, request: gr.Request) -> Any:
        """The buttons when the job has ended, unless the visitor has requested the next one meanwhile."""
        return gr.skip() if self.runner.is_open(JobKey(request.session_hash, "compose")) else _idle()

    def fail(self, request: gr.Request) -> Any:
        """The status when there is no result; the failure of a cancelled job may arrive late, and says nothing new."""
        job_key = JobKey(request.session_hash, "compose")
        is_known = self.runner.is_open(job_key) or self.runner.is_cancelled(job_key)
        return gr.skip() if is_known else text.FAILED


class ClipWidgets(NamedTuple):
    """Widgets of the clip and its analysis."""

    clip: gr.Video
    demo: gr.Button
    analysis: gr.HTML


class FormWidgets(NamedTuple):
    """Widgets of the options, in the order of the fields of ScoreForm."""

    emotion: gr.Dropdown
    valence: gr.Slider
    arousal: gr.Slider
    curve: gr.Textbox
    strength: gr.Slider
    style: gr.Dropdown
    key: gr.Dropdown
    primer: gr.Textbox
    tempo: gr.Textbox
    source: gr.Radio
    seed: gr.Number
    variants: gr.Slider
    candidates: gr.Slider
    encoder: gr.Dropdown
    stems: gr.Checkbox


class ResultWidgets(NamedTuple):
    """Widgets of the result, in the order of `show`."""

    frame: gr.Column
    players: list[gr.Video]
    which: gr.Radio
    compared: gr.HTML
    match: gr.HTML
    chart: gr.HTML
    notes: gr.HTML
    redraw: gr.Dropdown
    keep: gr.CheckboxGroup
    redrawing: JobWidgets
    downloads: list[gr.DownloadButton]

    @property
    def views(self) -> list[Any]:
        """Those that change with the variant that is shown."""
        return [self.compared, self.match, self.chart, self.notes, self.redraw]

    @property
    def all(self) -> list[Any]:
        """Those that change when something was composed."""
        return [self.frame, *self.players, self.which, *self.views]


def build(runner: JobRunner) -> None:
    """Add the widgets and events of the tab."""
    events, session = ScoreEvents(runner), gr.State(Session())
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            clips = ClipWidgets(
                gr.Video(label="Your clip", sources=["upload"], elem_id="clip", height=280),
                gr.Button("No clip at hand? Use the demo clip", size="sm", elem_id="demo"),
                gr.HTML(label="Analysis of the clip", elem_id="clip-analysis"),
            )
        with gr.Column(scale=4, min_width=320):
            form, drawing = form_widgets()
            composing = job_widgets("Compose", "compose", text.IDLE)
    results = result_widgets()
    _connect_clip(events, clips, form, drawing)
    for job, fn, inputs, shown in (
        (composing, events.compose, [clips.clip, *form, session], show_best),
        (results.redrawing, events.reroll, [results.which, results.redraw, results.keep, session], show_newest),
    ):
        buttons = [composing.start, results.redrawing.start, job.cancel]
        done = job.start.click(events.request, None, [*buttons, job.status], **REPEATABLE, **PRIVATE).success(
            fn, inputs, [*results.downloads, job.status], api_name=fn.__name__, show_progress_on=job.status,
            **REPEATABLE, **serving.work(runner.settings),
        )  # fmt: skip
        done.success(shown, session, results.all, **PRIVATE).success(None, None, None, js=SCROLL, **PRIVATE)
        done.then(events.finish, None, buttons, **PRIVATE)
        done.failure(events.fail, None, job.status, **PRIVATE)
        cancel_before(job.cancel.click, done)
        job.cancel.click(events.cancel, None, [*buttons, job.status], **PRIVATE)
    # of several quick choices the last one counts
    results.which.input(show_views, [results.which, session], results.views, trigger_mode="always_last", **PRIVATE)
    results.which.input(
        events.variant, [results.which, session], [*results.downloads, composing.status], api_name="variant",
        queue=False, show_progress="hidden", trigger_mode="always_last",
    )  # fmt: skip
    results.redraw.change(
        lambda part: gr.CheckboxGroup(visible=part == WHOLE_PIECE), results.redraw, results.keep, **PRIVATE
    )


def form_widgets() -> tuple[FormWidgets, gr.HTML]:
    """The options, and the drawing of the curve."""
    style = option_widget("style", choices=text.style_choices(), info=text.STYLE_INFO)
    emotion = option_widget("emotion", choices=text.EMOTION_LABELS, value=PICTURE, label="Target emotion")
    with gr.Row(visible=False) as point:
        valence, arousal = option_widget("valence"), option_widget("arousal")
    with gr.Group(visible=False, elem_id="drawing") as drawing_box:
        drawing = gr.HTML(
            curve.blank(), html_template=curve.source("html"), css_template=curve.source("css"),
            js_on_load=curve.source("js"), elem_id="curve", padding=True,
        )  # fmt: skip
        with gr.Accordion("The curve as text", open=False):
            curve_text = gr.Textbox(
                curve.text(curve.blank()), show_label=False, lines=4, max_lines=8, elem_id="curve-text",
                info="Seconds, valence, arousal: one point per line.",
            )  # fmt: skip
    emotion.change(
        lambda choice: (gr.Row(visible=choice == POINT), gr.Group(visible=choice == CURVE)),
        emotion,
        [point, drawing_box],
        **PRIVATE,
    )
    strength = option_widget("strength")
    with gr.Row():
        variants = option_widget("variants", most=MOST_VARIANTS, info=text.VARIANTS_INFO)
        seed = option_widget("seed")
    with gr.Accordion("More options", open=False, elem_id="more"):
        with gr.Row():
            key = option_widget("key", choices=text.key_choices(), value=ANY_KEY)
            tempo = option_widget("tempo", placeholder="set by the style")
        primer = option_widget("primer", placeholder="chosen by the model")
        source = option_widget("source", choices=text.source_choices())
        candidates = option_widget("candidates", most=MOST_CANDIDATES)
        encoders = text.encoder_choices()
        encoder = option_widget("encoder", choices=encoders, visible=len(encoders) > 2)
        stems = option_widget("stems", value=True)
    form = FormWidgets(
        emotion, valence, arousal, curve_text, strength, style, key, primer, tempo, source, seed, variants, candidates,
        encoder, stems,
    )  # fmt: skip
    return form, drawing


def result_widgets() -> ResultWidgets:
    """What shows the pieces; hidden until there is one."""
    with gr.Column(visible=False, elem_id="results") as frame:
        gr.Markdown("## Result")
        with gr.Row(elem_classes="players"):
            players = [
                gr.Video(interactive=False, visible=False, elem_id=f"variant-{number + 1}", height=260)
                for number in range(SLOTS)
            ]
            for player in players:
                player.play(None, None, None, js=ONE_AT_A_TIME % player.elem_id, **PRIVATE)
        which = gr.Radio(
            list(range(1, MOST_NUMBERS)), value=1, label="Variant", visible=False, elem_id="which",
            info="The views and downloads below are those of this variant.",
        )  # fmt: skip
        with gr.Row(elem_classes="downloads"):
            downloads = [
                gr.DownloadButton(name, size="sm", elem_id=f"download-{kind}") for kind, name in text.DOWNLOADS.items()
            ]
        with gr.Accordion("Redraw this variant, or one section of it", elem_id="again"):
            with gr.Row():
                redraw = gr.Dropdown(
                    text.redraw_choices(), value=WHOLE_PIECE, label="Redraw", elem_id="redraw",
                    info="Composes this part again with other random draws.",
                )  # fmt: skip
                keep = gr.CheckboxGroup(
                    list(text.LOCKS), label="Keep", elem_id="keep", info="Stays as it is in this variant."
                )
            redrawing = job_widgets("Redraw", "reroll", "", variant="secondary")
        views = []
        for name, heading in text.VIEWS.items():
            if heading:
                gr.Markdown(f"### {heading}")
            views.append(gr.HTML(label=heading or "Comparison of the variants", elem_id=f"view-{name}"))
    compared, match, chart, notes = views
    return ResultWidgets(frame, players, which, compared, match, chart, notes, redraw, keep, redrawing, downloads)


def _connect_clip(events: ScoreEvents, clips: ClipWidgets, form: FormWidgets, drawing: gr.HTML) -> None:
    """A clip is analysed when it is uploaded; the emotion of its picture is the curve to begin a drawing with."""
    analysis: Any = {
        "fn": events.analyse, "inputs": [clips.clip, form.encoder], "outputs": [clips.analysis, drawing],
        "concurrency_id": "analyse", "concurrency_limit": events.runner.settings.workers,
        "show_progress_on": clips.analysis, **REPEATABLE,
    }  # fmt: skip
    upload = clips.clip.upload(**analysis, api_name="analyse")
    upload.failure(lambda: (None, ""), None, [clips.clip, clips.analysis], **PRIVATE)  # ready for the next upload
    cancel_before(clips.demo.click, upload)
    demo = clips.demo.click(
        events.demo, None, clips.clip, api_visibility="private", concurrency_id="demo", **REPEATABLE
    ).success(**analysis, api_visibility="private")
    cancel_before(clips.clip.clear, upload, demo)
    clips.clip.clear(lambda: "", None, clips.analysis, **PRIVATE)
    drawing.input(curve.text, drawing, form.curve, **PRIVATE)
    drawing.change(curve.text, drawing, form.curve, **PRIVATE)
    form.curve.blur(curve.redrawn, [form.curve, drawing], drawing, **PRIVATE)


def best_piece(session: Session) -> SessionPiece:
    """The piece to show first: the best match. Raises ManifestError."""
    return session.pieces[best_match(session.pieces) or 0]


def show_best(session: Session) -> list[Any]:
    """Updates of ResultWidgets.all after composing: all players, and the views of the best match."""
    with error_messages(), job_errors(*_paths(session)):
        return _show(session, best_piece(session))


def show_newest(session: Session) -> list[Any]:
    """Updates of ResultWidgets.all after a redraw: all players, and the views of the new piece."""
    with error_messages(), job_errors(*_paths(session)):
        return _show(session, session.pieces[-1])


def show_views(which: int, session: Session) -> list[Any]:
    """Updates of ResultWidgets.views for a variant."""
    with error_messages(), job_errors(*_paths(session)):
        return _show_views(session, session.piece(which))


def _show(session: Session, piece: SessionPiece) -> list[Any]:
    choices = text.variant_choices(session.pieces, best_match(session.pieces))
    players: list[Any] = [
        gr.Video(str(one.result.video), label=name, visible=True)
        for one, (name, _) in zip(session.pieces, choices, strict=True)
    ]
    players += [gr.Video(None, visible=False)] * (SLOTS - len(players))
    which = gr.Radio(choices, value=piece.number, visible=len(choices) > 1)
    return [gr.Column(visible=True), *players, which, *_show_views(session, piece)]


def _show_views(session: Session, piece: SessionPiece) -> list[Any]:
    sections = gr.Dropdown(text.redraw_choices(piece.sections), value=WHOLE_PIECE)
    return [*handlers().show(piece, session), sections]


def _paths(session: Session) -> tuple[Any, ...]:
    """The upload and the run folder that messages must not name in full."""
    newest = session.pieces[-1:]
    return (newest[0].clip, newest[0].folder) if newest else (None, None)


def _idle() -> tuple[Any, ...]:
    """The buttons when nothing is composed."""
    return gr.Button(interactive=True), gr.Button(interactive=True), gr.Button(visible=False)
