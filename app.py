"""The page: a clip goes in, its score comes out, to compare, roll again and take home. Widgets and wording only."""

import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from emotion.errors import UserError
from emotion.runtime import wait_quietly
from video2music.errors import OptionError
from video2music.studio import curve as drawing
from video2music.studio import serving, text, uploads, wishes
from video2music.studio.jobs import STOPPED, Cancelled, Errand, Errands, Refusal, RunProgress, Tell
from video2music.studio.session import EVERYTHING, Piece, Visit, favourite
from video2music.studio.wishes import ANY_KEY, CURVE, DEFAULT, PICTURE, POINT, Wishes

SLOTS = 6  # variants that are shown side by side
MOST_NUMBERS = 1000  # of variants that a visitor may come to
# Gradio may take what was cancelled to be under way until it ends; "once" would swallow the next press.
AGAIN: Any = {"trigger_mode": "multiple"}
PRIVATE: Any = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
SCROLL = "() => document.getElementById('results')?.scrollIntoView({behavior: 'smooth', block: 'start'})"
ONE_AT_A_TIME = """() => document.querySelectorAll('.players > :not(#%s) video').forEach(film => film.pause())"""
CSS = """
.gradio-container { max-width: 1280px !important; }
.players { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); }
.players > .hidden, .players > .hide { display: none; }
.home { display: grid !important; grid-template-columns: repeat(4, 1fr); }
.home > * { min-width: 0 !important; }
#clip button[aria-label^="Trim"], #clip button[aria-label^="Reset"] { display: none; }
#clip button.icon-button.padded:not(:last-of-type) { display: none; }
#watched:not(:has(svg)) { display: none; }
#drawing, #drawing .styler { background: transparent; }
#compose-status { min-height: 4.5em; } #reroll-status { min-height: 3.5em; }
#batch-table th * { word-break: normal !important; overflow-wrap: normal !important; }
footer .divider { display: none; }
@media (max-width: 640px) { #clip { height: 220px !important; } .home { grid-template-columns: 1fr 1fr; } }
"""


class Studio:
    """What happens when a visitor asks for something; every method stands behind one event of the page."""

    def __init__(self, settings: serving.Settings) -> None:
        self.settings = settings
        self.errands = Errands(settings)

    async def watch(
        self,
        clip: str | None,
        encoder: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 how gradio hands the bar over
    ) -> tuple[Any, ...]:
        """What there is to see in the clip, as HTML, and the feeling of its picture as a curve to draw on."""
        with complaints():
            upload = handed_in(clip, text.NO_CLIP)
            return await self.errands.run(
                lambda job: desk().watch(job, upload, encoder),
                stage_bar(progress),
                Errand(request.session_hash, "watch"),
                upload=upload,
                keep=False,
            )

    async def compose(
        self,
        clip: str | None,
        feeling: str,
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
        visit: Visit,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Compose for the clip: the files of the best variant, and a sentence on it."""
        wished = Wishes(
            feeling, valence, arousal, curve, strength, style, key, primer, tempo, source, seed, variants, candidates,
            encoder, stems,
        )  # fmt: skip
        with complaints():
            upload = handed_in(clip, text.NO_CLIP)
            pieces = await self.errands.run(
                lambda job: desk().compose(job, upload, wished),
                run_bar(progress, wishes.whole("variants", variants)),
                Errand(request.session_hash, "compose"),
                upload=upload,
            )
        visit.begin(pieces)
        return await self.variant(chosen(visit), visit)

    async def reroll(
        self,
        which: int,
        redraw: int,
        keep: Sequence[str],
        visit: Visit,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Draw a variant anew, whole but for what is kept, or one section; it comes beside the others."""
        section = int(redraw or EVERYTHING)
        locks = () if section else tuple(keep or ())
        with complaints():
            piece = visit.piece(which)
            self.errands.hold(piece)
            anew = await self.errands.run(
                lambda job: desk().reroll(job, piece, number=visit.next_roll(), section=section, locks=locks),
                run_bar(progress),
                Errand(request.session_hash, "compose"),
                upload=piece.clip,
            )
        gone = visit.add(anew, SLOTS)
        return await self.variant(visit.pieces[-1].number, visit, gone)

    async def variant(self, which: int, visit: Visit, gone: Sequence[Piece] = ()) -> tuple[Any, ...]:
        """The files of a variant, and a sentence on it."""
        with complaints():
            piece = visit.piece(which)
            files = await self.errands.with_piece(piece, lambda piece: desk().files(piece))
        return *files, text.made(piece, gone)

    async def judge(
        self,
        music: str | None,
        who: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """What a judge hears in a sound or MIDI file: figures, a view of them as HTML, and the figures as a file."""
        with complaints():
            upload = handed_in(music, text.NO_MUSIC)
            return await self.errands.run(
                lambda job: desk().judge(job, upload, who),
                stage_bar(progress),
                Errand(request.session_hash, "judge"),
                upload=upload,
            )

    async def batch(
        self,
        clips: Sequence[str] | None,
        feeling: str,
        strength: float,
        style: str,
        source: str,
        seed: float | None,
        candidates: float,
        request: gr.Request,
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Score several clips with the same wishes: a table that fills, and at the end CSV, HTML and a ZIP."""
        from video2music.studio import batches

        common: Any = {"feeling": feeling, "strength": strength, "style": style, "source": source, "seed": seed}
        wished = Wishes(**common, candidates=candidates, stems=False)
        with complaints():
            errand = Errand(request.session_hash, "batch")
            async with aclosing(batches.score(self.errands, clips or (), wished, errand)) as news:
                async for standing, papers in news:
                    yield *standing, *(map(str, papers) if papers else (None,) * len(text.PAPERS))

    async def demo(self) -> str:
        """The clip that the program draws itself."""
        with complaints():
            return str(await self.errands.demo())

    def want_piece(self, request: gr.Request) -> tuple[Any, ...]:
        """What the page says while something is composed: it can be cancelled, and nothing else begun."""
        self.errands.want(Errand(request.session_hash, "compose"))
        return gr.Button(interactive=False), gr.Button(interactive=False), gr.Button(visible=True), text.WORKING

    def cancel_piece(self, request: gr.Request) -> tuple[Any, ...]:
        """What the page says when the visitor has stopped that."""
        self.errands.cancel(Errand(request.session_hash, "compose"))
        return *after_work(), STOPPED

    def after_piece(self, request: gr.Request) -> Any:
        """What the page says when something is composed, unless the visitor has asked for the next meanwhile."""
        return gr.skip() if self.errands.is_open(Errand(request.session_hash, "compose")) else after_work()

    def without_piece(self, request: gr.Request) -> Any:
        """What the page says when nothing came of it; a cancelled one may be told of late."""
        errand = Errand(request.session_hash, "compose")
        told = self.errands.is_open(errand) or self.errands.is_cancelled(errand)
        return gr.skip() if told else text.FAILED

    def want_batch(self, request: gr.Request) -> tuple[Any, ...]:
        """What the page says while a batch is scored: it can be cancelled."""
        self.errands.want(Errand(request.session_hash, "batch"))
        return gr.Button(interactive=False), gr.Button(visible=True)

    def cancel_batch(self, request: gr.Request) -> tuple[Any, ...]:
        """What the page says when the visitor has stopped a batch."""
        self.errands.cancel(Errand(request.session_hash, "batch"))
        return *after_scoring(), text.STOPPED_BATCH, []

    def after_batch(self, request: gr.Request) -> Any:
        """What the page says when a batch is done, unless the visitor has asked for the next meanwhile."""
        return gr.skip() if self.errands.is_open(Errand(request.session_hash, "batch")) else after_scoring()

    def leave(self, request: gr.Request) -> None:
        """Stop what runs for a visitor who closed the page."""
        self.errands.leave(request.session_hash)


@contextmanager
def complaints() -> Iterator[None]:
    """What goes wrong as a sentence on the page that stays until it is read."""
    try:
        yield
    except (Refusal, OptionError) as error:
        shown = not isinstance(error, Cancelled)  # who pressed Cancel knows
        raise gr.Error(str(error), duration=None, visible=shown, print_exception=False) from None


def handed_in(file: str | None, otherwise: str) -> Path:
    """Where an upload lies. Raises Refusal with the sentence `otherwise` where there is none."""
    if file is None:
        raise Refusal(otherwise)
    return Path(file)


def desk() -> Any:
    """The desk that does the work, with its models; loaded when it is first needed, because that takes seconds."""
    from video2music.studio import warming

    warming.ready()
    from video2music.studio import handlers

    return handlers


def run_bar(progress: Callable[..., object], variants: int = 1) -> Tell:
    """The pipeline's stages as one bar that names the stage."""
    done = RunProgress({name: stage.share for name, stage in text.STAGES.items()}, variants=variants)
    return lambda stage, fraction: progress(done.at(stage, fraction), desc=text.STAGES[stage].name)


def stage_bar(progress: Callable[..., object]) -> Tell:
    """A stage that stands alone as the whole bar."""
    return lambda stage, fraction: progress(fraction, desc=text.STAGES[stage].name)


def show_pieces(visit: Visit, which: int | None = None) -> list[Any]:
    """The players, the choice among them, and what there is to see of the chosen one, in the order of Results.all."""
    which = which or chosen(visit)
    names = text.variants(visit.pieces, favourite(visit.pieces))
    players: list[Any] = [
        gr.Video(str(piece.result.video), label=name, visible=True)
        for piece, (name, _) in zip(visit.pieces, names, strict=True)
    ]
    players += [gr.Video(None, visible=False)] * (SLOTS - len(players))
    return [
        gr.Column(visible=True),
        *players,
        gr.Radio(names, value=which, visible=len(names) > 1),
        *show_piece(which, visit),
    ]


def show_newest(visit: Visit) -> list[Any]:
    """What is shown after a piece was rolled again: the new one."""
    return show_pieces(visit, visit.pieces[-1].number)


def chosen(visit: Visit) -> int:
    """The number of the piece to look at first: the one that fits best."""
    return visit.pieces[favourite(visit.pieces) or 0].number


def show_piece(which: int, visit: Visit) -> list[Any]:
    """What there is to see of a variant, in the order of Results.views, and what of it can be drawn anew."""
    with complaints():
        piece = visit.piece(which)
    return [*desk().views(piece, visit), gr.Dropdown(text.parts(piece.sections), value=EVERYTHING)]


class Work(NamedTuple):
    """Widgets of work that takes a while: what begins it, what ends it, and what is said of it."""

    begin: gr.Button
    cancel: gr.Button
    status: gr.Markdown


class Clips(NamedTuple):
    """Widgets of the clip and what was seen in it."""

    clip: gr.Video
    demo: gr.Button
    watched: gr.HTML


class Wishing(NamedTuple):
    """Widgets of the wishes, in the order of the fields of Wishes."""

    feeling: gr.Dropdown
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


class Results(NamedTuple):
    """Widgets that show what was composed, in the order of `show_pieces`."""

    frame: gr.Column
    players: list[gr.Video]
    which: gr.Radio
    compared: gr.HTML
    verdict: gr.HTML
    chart: gr.HTML
    roll: gr.HTML
    redraw: gr.Dropdown
    keep: gr.CheckboxGroup
    rolling: Work
    home: list[gr.DownloadButton]

    @property
    def views(self) -> list[Any]:
        """Those that change with the variant that is looked at."""
        return [self.compared, self.verdict, self.chart, self.roll, self.redraw]

    @property
    def all(self) -> list[Any]:
        """Those that change when something was composed."""
        return [self.frame, *self.players, self.which, *self.views]


def build(studio: Studio) -> gr.Blocks:
    """The page, not yet served."""
    with gr.Blocks(title=text.TITLE, **serving.blocks(studio.settings)) as page:
        gr.Markdown(text.WELCOME)
        with gr.Tabs():
            with gr.Tab("Score a clip", elem_id="tab-score"):
                score_tab(studio)
            with gr.Tab("Judge", elem_id="tab-judge"):
                judge_tab(studio)
            with gr.Tab("Batch", elem_id="tab-batch"):
                batch_tab(studio)
        page.unload(studio.leave)
        page.load(load_models, **PRIVATE)
    return page


def load_models() -> None:
    """Load the models while the first visitor looks around."""
    from video2music.studio import warming

    warming.begin()


def score_tab(studio: Studio) -> None:
    """The tab that composes for one clip."""
    visit = gr.State(Visit())
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            clips = clip_widgets()
        with gr.Column(scale=4, min_width=320):
            wished, drawn = wish_widgets(studio.settings)
            composing = work_widgets("Compose", "compose", text.IDLE)
    results = result_widgets()
    watching(studio, clips, wished, drawn)
    begins, outputs = [composing.begin, results.rolling.begin], [*results.home, composing.status]
    for work, fn, inputs, show in (
        (composing, studio.compose, [clips.clip, *wished, visit], show_pieces),
        (results.rolling, studio.reroll, [results.which, results.redraw, results.keep, visit], show_newest),
    ):
        touched = [*begins, work.cancel, work.status]
        done = work.begin.click(studio.want_piece, None, touched, **AGAIN, **PRIVATE).success(
            fn, inputs, [*results.home, work.status], api_name=fn.__name__, show_progress_on=work.status,
            **serving.work(studio.settings),
        )  # fmt: skip
        done.success(show, visit, results.all, **PRIVATE).success(None, None, None, js=SCROLL, **PRIVATE)
        done.then(studio.after_piece, None, touched[:-1], **PRIVATE)
        done.failure(studio.without_piece, None, work.status, **PRIVATE)
        work.cancel.click(studio.cancel_piece, None, touched, cancels=done, **PRIVATE)
    results.which.input(show_piece, [results.which, visit], results.views, trigger_mode="always_last", **PRIVATE)
    results.which.input(
        studio.variant,
        [results.which, visit],
        outputs,
        api_name="variant",
        queue=False,
        show_progress="hidden",
        trigger_mode="always_last",
    )
    results.redraw.change(show_locks, results.redraw, results.keep, **PRIVATE)


def work_widgets(words: str, name: str, idle: str, *, variant: Any = "primary") -> Work:
    """What begins work of a name, what ends it, and a sentence on it."""
    with gr.Row():
        begin = gr.Button(words, variant=variant, elem_id=name)
        cancel = gr.Button("Cancel", variant="stop", elem_id=f"{name}-cancel", visible=False)
    return Work(begin, cancel, gr.Markdown(idle, label="Sentence", elem_id=f"{name}-status"))


def clip_widgets() -> Clips:
    """Where the clip goes in."""
    clip = gr.Video(label="Your clip", sources=["upload"], elem_id="clip", height=280)
    demo = gr.Button("No clip at hand? Take the demo clip", size="sm", elem_id="demo")
    return Clips(clip, demo, gr.HTML(label="Watched", elem_id="watched"))


def wish_widgets(settings: serving.Settings) -> tuple[Wishing, gr.HTML]:
    """What may be wished for, and the drawing of the curve."""
    style = gr.Dropdown(text.style_choices(), value=DEFAULT.style, label="Style", elem_id="style")
    feeling = gr.Dropdown(list(text.FEELINGS), value=PICTURE, label="How it should feel", elem_id="feeling")
    with gr.Row(visible=False) as point:
        valence = gr.Slider(-1, 1, 0, step=0.05, label="Valence", info="-1 unpleasant, 1 pleasant", elem_id="valence")
        arousal = gr.Slider(-1, 1, 0, step=0.05, label="Arousal", info="-1 calm, 1 excited", elem_id="arousal")
    with gr.Group(visible=False, elem_id="drawing") as drawing_box:
        drawn, curve = curve_widgets()
    feeling.change(show_wish, feeling, [point, drawing_box], **PRIVATE)
    strength = gr.Slider(
        0, 1, DEFAULT.strength, step=0.05, label="How strongly", info="0 leaves the feeling to chance",
        elem_id="strength",
    )  # fmt: skip
    with gr.Row():
        variants = gr.Slider(
            1, wishes.MOST_VARIANTS, DEFAULT.variants, step=1, label="Variants", info="Pieces to choose from",
            elem_id="variants",
        )  # fmt: skip
        seed = gr.Number(
            DEFAULT.seed, precision=0, minimum=0, label="Seed", info="Another seed, another piece", elem_id="seed"
        )
    with gr.Accordion("More wishes", open=False, elem_id="more"):
        key, primer, tempo, source, candidates, encoder, stems = further_wishes()
    wished = Wishing(
        feeling, valence, arousal, curve, strength, style, key, primer, tempo, source, seed, variants, candidates,
        encoder, stems,
    )  # fmt: skip
    return wished, drawn


def curve_widgets() -> tuple[gr.HTML, gr.Textbox]:
    """The drawing of a curve, and the same curve as text."""
    drawn = gr.HTML(
        drawing.blank(), html_template=drawing.source("html"), css_template=drawing.source("css"),
        js_on_load=drawing.source("js"), elem_id="curve", padding=True,
    )  # fmt: skip
    with gr.Accordion("The curve as text", open=False):
        curve = gr.Textbox(
            drawing.text(drawing.blank()), show_label=False, lines=4, max_lines=8, elem_id="curve-text",
            info="Seconds, valence, arousal: a line for each point",
        )  # fmt: skip
    return drawn, curve


def further_wishes() -> tuple[Any, ...]:
    """The wishes that few have: key, primer, tempo, source sound, candidates, encoder, stems."""
    with gr.Row():
        key = gr.Dropdown(text.key_choices(), value=ANY_KEY, label="Key", elem_id="key")
        tempo = gr.Textbox(
            value="",
            label="Tempo",
            placeholder="as the style has it",
            info="Beats a minute: 90, or 80-110",
            elem_id="tempo",
        )
    primer = gr.Textbox(
        value="",
        label="First chords",
        placeholder="up to the model",
        info="In that key, as in Am F C G",
        elem_id="primer",
    )
    source = gr.Radio(text.sound_choices(), value=DEFAULT.source, label="The clip's own sound is", elem_id="source")
    candidates = gr.Slider(
        1, wishes.MOST_CANDIDATES, DEFAULT.candidates, step=1, label="Candidates", elem_id="candidates",
        info="Pieces that are begun, of which a judge keeps the one that feels right. More cost time; 1 is no choice",
    )  # fmt: skip
    here = wishes.encoders_here()
    encoder = gr.Dropdown(
        [("the best on this machine", DEFAULT.encoder), *here], value=DEFAULT.encoder, label="Who watches",
        visible=len(here) > 1, elem_id="encoder",
    )  # fmt: skip
    stems = gr.Checkbox(True, label="Each instrument as a file, too", elem_id="stems")
    return key, primer, tempo, source, candidates, encoder, stems


def result_widgets() -> Results:
    """What shows the pieces; hidden until there is one."""
    with gr.Column(visible=False, elem_id="results") as frame:
        gr.Markdown("## What came of it")
        with gr.Row(elem_classes="players"):
            players = [
                gr.Video(interactive=False, visible=False, elem_id=f"variant-{number + 1}", height=260)
                for number in range(SLOTS)
            ]
            for player in players:
                player.play(None, None, None, js=ONE_AT_A_TIME % player.elem_id, **PRIVATE)
        which = gr.Radio(list(range(1, MOST_NUMBERS)), value=1, label="Look at", visible=False, elem_id="which")
        with gr.Row(elem_classes="home"):
            home = [gr.DownloadButton(name, size="sm", elem_id=f"download-{kind}") for kind, name in text.HOME.items()]
        with gr.Accordion("Not quite? Roll it again", elem_id="again"):
            with gr.Row():
                redraw = gr.Dropdown(text.parts(), value=EVERYTHING, label="Draw anew", elem_id="redraw")
                keep = gr.CheckboxGroup(list(text.LOCKS), label="But keep", elem_id="keep")
            rolling = work_widgets("Roll again", "reroll", "", variant="secondary")
        compared, verdict, chart, roll = (view(name, heading) for name, heading in text.VIEWS.items())
    return Results(frame, players, which, compared, verdict, chart, roll, redraw, keep, rolling, home)


def view(name: str, heading: str) -> gr.HTML:
    """A picture of the variant that is looked at, under its heading."""
    if heading:
        gr.Markdown(f"### {heading}")
    return gr.HTML(label=name, elem_id=name)


def watching(studio: Studio, clips: Clips, wished: Wishing, drawn: gr.HTML) -> None:
    """A clip is watched as soon as it is there; the curve is drawn over its length, and told as text."""
    look: Any = {
        "fn": studio.watch, "inputs": [clips.clip, wished.encoder], "outputs": [clips.watched, drawn],
        "concurrency_id": "watch", "concurrency_limit": studio.settings.workers, "show_progress_on": clips.watched,
        **AGAIN,
    }  # fmt: skip
    uploaded = clips.clip.upload(**look, api_name="watch")
    uploaded.failure(lambda: (None, ""), None, [clips.clip, clips.watched], **PRIVATE)  # the next one is welcome
    taken = clips.demo.click(
        studio.demo, None, clips.clip, api_visibility="private", concurrency_id="demo", cancels=uploaded
    ).success(**look, api_visibility="private")
    clips.clip.clear(lambda: "", None, clips.watched, cancels=[uploaded, taken], **PRIVATE)
    drawn.input(drawing.text, drawn, wished.curve, **PRIVATE)
    drawn.change(drawing.text, drawn, wished.curve, **PRIVATE)
    wished.curve.blur(drawing.redrawn, [wished.curve, drawn], drawn, **PRIVATE)


def show_wish(feeling: str) -> tuple[gr.Row, gr.Group]:
    """A point and a curve are asked for where they are wished for."""
    return gr.Row(visible=feeling == POINT), gr.Group(visible=feeling == CURVE)


def show_locks(part: int) -> gr.CheckboxGroup:
    """Something can be kept where everything else is drawn anew."""
    return gr.CheckboxGroup(visible=part == EVERYTHING)


def after_work() -> tuple[Any, ...]:
    """Nothing is composed any more."""
    return gr.Button(interactive=True), gr.Button(interactive=True), gr.Button(visible=False)


def judge_tab(studio: Studio) -> None:
    """The tab that tells what music feels like."""
    gr.Markdown("Drop any sound or MIDI file: a judge that was trained on people's ratings says what it feels like.")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            music = gr.File(label="Music", file_types=list(uploads.TYPES["music"]), elem_id="judge-file", height=160)
            who = gr.Dropdown(
                [(words, name) for name, words in text.JUDGES.items()],
                value=next(iter(text.JUDGES)),
                label="Who listens",
                elem_id="judge-who",
            )
            go = gr.Button("Listen", variant="primary", elem_id="judge-go")
            taken = gr.DownloadButton("Figures (.json)", size="sm", interactive=False, elem_id="judge-json")
        with gr.Column(scale=2, min_width=320):
            judged = gr.HTML(text.UNHEARD, label="Judged", elem_id="judged", min_height=120)
            figures = gr.JSON(visible=False, label="Figures")
    judging = go.click(
        studio.judge, [music, who], [figures, judged, taken], api_name="judge", show_progress_on=judged,
        **serving.work(studio.settings),
    )  # fmt: skip
    judging.success(enable, None, taken, **PRIVATE)
    judging.failure(without_judgement, None, [figures, judged, taken], **PRIVATE)


def without_judgement() -> tuple[Any, ...]:
    """What was heard before is not what this file is like."""
    return None, text.UNHEARD, gr.DownloadButton(value=None, interactive=False)


def batch_tab(studio: Studio) -> None:
    """The tab that scores several clips with the same wishes."""
    gr.Markdown("Drop several clips: each is scored with the same wishes, and all come back in one ZIP.")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            clips = gr.File(
                label="Clips",
                file_count="multiple",
                file_types=list(uploads.TYPES["clip"]),
                elem_id="batch-files",
                height=180,
            )
            wished = batch_wishes()
            with gr.Row():
                go = gr.Button("Score them all", variant="primary", elem_id="batch-go")
                cancel = gr.Button("Cancel", variant="stop", elem_id="batch-cancel", visible=False)
        with gr.Column(scale=2, min_width=320):
            status = gr.Markdown("Nothing is scored yet.", label="Sentence", elem_id="batch-status")
            table = gr.Dataframe(
                headers=list(text.BATCH_COLUMNS),
                datatype="str",
                interactive=False,
                wrap=True,
                elem_id="batch-table",
                show_label=False,
            )
            with gr.Row():
                taken = [
                    gr.DownloadButton(name, size="sm", interactive=False, elem_id=f"batch-{kind}")
                    for kind, name in text.PAPERS.items()
                ]
    scoring = go.click(studio.want_batch, None, [go, cancel], **AGAIN, **PRIVATE).success(
        studio.batch, [clips, *wished], [table, status, *taken], api_name="batch", show_progress_on=status,
        **serving.work(studio.settings),
    )  # fmt: skip
    scoring.then(studio.after_batch, None, [go, cancel], **PRIVATE)
    scoring.success(lambda: [enable()] * len(taken), None, taken, **PRIVATE)
    cancel.click(studio.cancel_batch, None, [go, cancel, status, table], cancels=scoring, **PRIVATE)


def enable() -> gr.DownloadButton:
    """There is something to take home now."""
    return gr.DownloadButton(interactive=True)


def batch_wishes() -> list[Any]:
    """What the clips of a batch have in common, in the order of `Studio.batch`."""
    offered = [choice for choice in text.FEELINGS if choice[1] not in (POINT, CURVE)]
    return [
        gr.Dropdown(offered, value=PICTURE, label="How they should feel", elem_id="batch-feeling"),
        gr.Slider(0, 1, DEFAULT.strength, step=0.05, label="How strongly", elem_id="batch-strength"),
        gr.Dropdown(
            text.style_choices(),
            value=DEFAULT.style,
            label="Style",
            elem_id="batch-style",
        ),
        gr.Radio(
            text.sound_choices(),
            value=DEFAULT.source,
            label="The clips' own sound is",
            elem_id="batch-source",
        ),
        gr.Number(DEFAULT.seed, precision=0, minimum=0, label="Seed", elem_id="batch-seed"),
        gr.Slider(
            1, wishes.MOST_CANDIDATES, DEFAULT.candidates, step=1, label="Candidates", elem_id="batch-candidates"
        ),
    ]


def after_scoring() -> tuple[Any, Any]:
    """The batch is done."""
    return gr.Button(interactive=True), gr.Button(visible=False)


def theme() -> gr.themes.Base:
    """Plain and quiet, in the fonts of the visitor's machine; white letters are easy to read on the main button, and so
    are empty boxes in the dark."""
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
    serving.serve(page, settings, theme=theme(), css=CSS, **options)


def main() -> None:
    """Serve the page on this machine until stopped."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    wait_quietly()  # before the first piece brings torch
    try:
        studio = Studio(serving.read(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"error: {error}")
    page = build(studio)
    serve(page, studio.settings, prevent_thread_lock=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    studio.errands.close()  # before the server, which would wait for all that is under way
    page.close()


if __name__ == "__main__":
    main()
