"""The page: a clip goes in, its score comes out, to compare, roll again and take home. Widgets and wording only."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import gradio as gr

from emotion.affect import EMOTIONS
from emotion.errors import UserError
from emotion.threads import wait_quietly
from video2music import styles
from video2music.errors import OptionError
from video2music.options import SOURCES
from video2music.studio import demonstration, drawing, serving, uploads, wishes
from video2music.studio.sentences import sentence
from video2music.studio.visit import EVERYTHING, Piece, Visit, best
from video2music.studio.way import Way
from video2music.studio.wishes import ANY_KEY, CURVE, DEFAULT, PICTURE, POINT, Wishes
from video2music.studio.wording import BATCH_COLUMNS
from video2music.svg import clock

T = TypeVar("T")
Tell = Callable[[str, float], None]

TITLE = "Video2Music"
WELCOME = """# Video2Music
Drop a clip: it is watched, scored with music that follows its cuts, its movement and its mood, and handed back."""
FEELINGS = (
    ("as the picture feels", PICTURE),
    *((name, name) for name in EMOTIONS),
    ("bright and lively (q1)", "q1"),
    ("dark and agitated (q2)", "q2"),
    ("dark and calm (q3)", "q3"),
    ("bright and calm (q4)", "q4"),
    ("a point on the plane", POINT),
    ("a curve that I draw", CURVE),
)
KEYS = (("up to the mood", ANY_KEY), *((key, key) for key in wishes.key_names()))
SOUNDS = MappingProxyType({
    "duck": "kept, and the music steps back while somebody speaks",
    "keep": "kept, with the music beside it",
    "replace": "left out",
})  # fmt: skip
STYLES = MappingProxyType({
    "acoustic": "acoustic · guitars and strings",
    "ambient": "ambient · wide, slow pads",
    "corporate": "corporate · bright and busy",
    "lofi": "lo-fi · soft beats, warm keys",
    "piano": "piano · a grand piano alone",
    "pop": "pop · a band with drums",
    "strings": "strings · a string orchestra",
    "tension": "tension · a pulse over low drones",
})  # fmt: skip
JUDGES = MappingProxyType({
    "unified": "unified · sound or MIDI, any music",
    "adff": "adff · sound alone",
    "poolingvq": "poolingvq · sound or MIDI, knows the piano best",
})  # fmt: skip
STAGES = MappingProxyType({  # what each is called, and about how many hundredths of the time a short clip takes in it
    "watch": ("Watching the clip", 10),
    "form": ("Fitting bars to the cuts", 1),
    "chords": ("Writing chords", 10),
    "dynamics": ("Shaping the dynamics", 5),
    "search": ("Listening to other ways to go on", 12),
    "arrange": ("Arranging", 3),
    "render": ("Playing the instruments", 25),
    "mux": ("Putting the music under the picture", 12),
    "judge": ("Listening to the result", 22),
})  # fmt: skip
LOCKS = (("its chords and key", "chords"), ("its bars and tempo", "form"))
HOME_IDS = ("video", "music", "midi", "chords", "stems", "manifest")
TAKEN_HOME = ("Video", "Music (WAV)", "MIDI", "Chord chart (.lab)", "Instruments (ZIP)", "Manifest (.json)")
NO_CLIP = "There is no clip yet: upload one first, or take the demo clip."
NO_MUSIC = "There is no music yet: drop a sound or a MIDI file first."
VIEWS = MappingProxyType({"compared": "", "verdict": "Verdict", "chart": "Bars and chords", "roll": "Notes"})
IDLE, WORKING = "Nothing is composed yet.", "Composing…"
FAILED = "Nothing new was composed. What was there before stays."
STOPPED = "Stopped. What was there before stays."
STOPPED_BATCH = "Stopped. What was not finished is gone."
SLOTS = 6  # variants that are shown side by side
MOST_SECTIONS = 200  # that can be drawn anew; ten minutes have fewer
# Gradio may take what was cancelled to be under way until it ends; "once" would swallow the next press.
AGAIN: Any = {"trigger_mode": "multiple"}
PRIVATE: Any = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
SCROLL = "() => document.getElementById('results')?.scrollIntoView({behavior: 'smooth', block: 'start'})"
CSS = """
.gradio-container { max-width: 1280px !important; }
.players > * { min-width: 280px !important; }
.home > * { flex: 1 1 140px !important; min-width: 0 !important; }
#clip button[aria-label^="Trim"], #clip button[aria-label^="Reset"] { display: none; }
#clip button.icon-button.padded:not(:last-of-type) { display: none; }
#watched:not(:has(svg)) { display: none; }
#drawing, #drawing .styler { background: transparent; }
#status { min-height: 4.5em; }
footer .divider { display: none; }
@media (max-width: 640px) { #clip { height: 220px !important; } }
"""


class Studio:
    """What happens when a visitor asks for work; every method but `run` stands behind one event of the page."""

    def __init__(self, settings: serving.Settings) -> None:
        self.settings = settings
        self.kept = serving.prepare(settings)

    async def watch(
        self,
        clip: str | None,
        encoder: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 how gradio hands the bar over
    ) -> tuple[Any, ...]:
        """What there is to see in the clip, as HTML, and the feeling of its picture as a curve to draw on."""
        if clip is None:
            raise complaint(NO_CLIP)
        work = partial(desk().watch, clip=Path(clip), encoder=encoder)
        return await self.run(work, bar(progress, only="watch"), upload=Path(clip), request=request, keep=False)

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
        if clip is None:
            raise complaint(NO_CLIP)
        wished = Wishes(
            feeling, valence, arousal, curve, strength, style, key, primer, tempo, source, seed, variants, candidates,
            encoder, stems,
        )  # fmt: skip
        work = partial(desk().compose, clip=Path(clip), wished=wished)
        tell = bar(progress, variants=int(variants or 1))
        visit.begin(await self.run(work, tell, upload=Path(clip), request=request))
        return await self.variant(best(visit.pieces) + 1, visit)

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
        piece = numbered(visit, which)
        self.hold(piece)
        locks = () if redraw else tuple(keep)
        work = partial(desk().reroll, piece=piece, number=visit.next_roll(), section=int(redraw), locks=locks)
        visit.add(await self.run(work, bar(progress), upload=piece.clip, request=request), SLOTS)
        return await self.variant(len(visit.pieces), visit)

    async def variant(self, which: int, visit: Visit) -> tuple[Any, ...]:
        """The files of a variant, and a sentence on it."""
        piece = numbered(visit, which)
        self.hold(piece)
        try:
            return (*await asyncio.to_thread(desk().files, piece), said(piece, int(which), len(visit.pieces)))
        except Exception as error:
            raise complaint(sentence(error, piece.clip, piece.folder)) from None

    async def judge(
        self,
        music: str | None,
        who: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """What a judge hears in a sound or MIDI file: figures, a view of them as HTML, and the figures as a file."""
        if music is None:
            raise complaint(NO_MUSIC)
        work = partial(desk().judge, music=Path(music), who=who)
        return await self.run(work, bar(progress, only="judge"), upload=Path(music), request=request)

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
        visitor, folder, done = getattr(request, "session_hash", None), self.kept.new(), False
        begun: list[batches.Running] = []
        try:
            begin = partial(batches.begin, begun, clips or (), wished, folder, self.settings.limits)
            running = await serving.stoppable(begin, visitor=visitor)
            while await serving.stoppable(running.news, visitor=visitor):
                yield *batches.standing(running.outcomes), None, None, None
            papers = await asyncio.to_thread(batches.handed_out, running.outcomes, running.out)
            yield *batches.standing(running.outcomes), *map(str, papers)
            done = True
        except Exception as error:
            raise complaint(sentence(error, None, folder)) from None
        finally:
            for running in begun:
                await asyncio.shield(asyncio.to_thread(running.stop))
            if not done:
                self.kept.forget(folder)

    def hold(self, piece: Piece) -> None:
        """Begin the age of a piece's files anew, that of the clip it was made for as well."""
        self.kept.touch(piece.folder)
        self.kept.touch(piece.clip)

    async def demo(self) -> str:
        """The clip that the program draws itself, drawn when it is first asked for."""
        try:
            return str(await asyncio.to_thread(demonstration.clip, self.kept))
        except Exception as error:
            raise complaint(sentence(error)) from None

    async def run(
        self, work: Callable[..., T], tell: Tell, *, upload: Path, request: gr.Request | None, keep: bool = True
    ) -> T:
        """What `work(job)` returns; its folder goes when it fails, is stopped, or need not be kept. Raises gr.Error."""
        folder, done = self.kept.new(), False
        try:
            found = await serving.stoppable(
                lambda stop: work(desk().Job(folder, stopping(tell, stop), self.settings.limits)),
                visitor=getattr(request, "session_hash", None),
            )
            done = keep
            return found
        except serving.Stopped:
            raise complaint(STOPPED) from None
        except Exception as error:  # the page's outer edge
            raise complaint(sentence(error, upload, folder)) from None
        finally:
            if not done:
                self.kept.forget(folder)


def desk() -> Any:
    """The desk that does the work, imported when it is first needed, because it brings torch."""
    from video2music.studio import desk

    return desk


def stopping(tell: Tell, stop: Event) -> Tell:
    """The same progress, which ends the work as soon as the visitor asked for that."""

    def told(stage: str, fraction: float) -> None:
        if stop.is_set():
            raise serving.Stopped(stage)
        tell(stage, fraction)

    return told


def complaint(told: str) -> gr.Error:
    """What a visitor sees of an error: one sentence that stays until it is read."""
    return gr.Error(told, title="This did not work", duration=None, print_exception=False)


def numbered(visit: Visit, which: int | None) -> Piece:
    """A variant by its number. Raises gr.Error."""
    try:
        return visit.piece(int(which or 1))
    except OptionError as error:
        raise complaint(str(error)) from None


def bar(progress: Callable[..., object], *, variants: int = 1, only: str | None = None) -> Tell:
    """The pipeline's stages as one bar that names the stage; `only` one of them is the whole bar."""
    way = Way({name: share for name, (_, share) in STAGES.items()}, variants=variants)

    def tell(stage: str, fraction: float) -> None:
        progress(fraction if only else way.at(stage, fraction), desc=STAGES[stage][0])

    return tell


def said(piece: Piece, which: int, count: int) -> str:
    """A line on what was made."""
    composition, made = piece.replay.composition, piece.result
    of = f"Variant {which} of {count}" if count > 1 else "Done"
    return (
        f"**{of}**: {made.duration_s:.0f} s of music in {composition.key}, "
        f"{composition.form.tempi[0].bpm:.0f} beats a minute, made in {sum(made.seconds.values()):.0f} s."
    )


def called(pieces: Sequence[Piece]) -> list[tuple[str, int]]:
    """What the variants are called, with their numbers; the judge's favourite is marked."""
    favourite = best(pieces) + 1 if len(pieces) > 1 and pieces[0].match is not None else None
    numbers = range(1, len(pieces) + 1)
    return [(f"Variant {number}" + " · best match" * (number == favourite), number) for number in numbers]


def choices(spans_s: Sequence[tuple[float, float]] | None = None) -> list[tuple[str, int]]:
    """What of a piece can be drawn anew, given from where to where its sections reach; as many as one may have."""
    names = [f"section {number}" for number in range(1, MOST_SECTIONS + 1)]
    if spans_s is not None:
        spans = (f"{clock(start_s)} to {clock(end_s)}" for start_s, end_s in spans_s)
        names = [f"{name}, {span}" for name, span in zip(names, spans, strict=False)]
    return [("everything", EVERYTHING), *((name, number) for number, name in enumerate(names, start=1))]


def shown(visit: Visit, which: int | None = None) -> list[Any]:
    """The players, the choice among them, and what there is to see of the chosen one, in the order of Results.all."""
    which = which or best(visit.pieces) + 1
    names = called(visit.pieces)
    players: list[Any] = [
        gr.Video(str(piece.result.video), label=name, visible=True)
        for piece, (name, _) in zip(visit.pieces, names, strict=True)
    ]
    players += [gr.Video(None, visible=False)] * (SLOTS - len(players))
    return [
        gr.Column(visible=True),
        *players,
        gr.Radio(names, value=which, visible=len(names) > 1),
        *looked(which, visit),
    ]


def newest(visit: Visit) -> list[Any]:
    """What is shown after a piece was rolled again: the new one."""
    return shown(visit, len(visit.pieces))


def looked(which: int, visit: Visit) -> list[Any]:
    """What there is to see of a variant, in the order of Results.views, and what of it can be drawn anew."""
    piece = numbered(visit, which)
    return [*desk().views(piece, visit), gr.Dropdown(choices(piece.sections), value=EVERYTHING)]


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
    """Widgets that show what was composed, in the order of `shown`."""

    frame: gr.Column
    players: list[gr.Video]
    which: gr.Radio
    compared: gr.HTML
    verdict: gr.HTML
    chart: gr.HTML
    roll: gr.HTML
    redraw: gr.Dropdown
    keep: gr.CheckboxGroup
    reroll: gr.Button
    home: list[gr.DownloadButton]

    @property
    def views(self) -> list[Any]:
        """Those that change with the variant that is looked at."""
        return [self.compared, self.verdict, self.chart, self.roll, self.redraw]

    @property
    def all(self) -> list[Any]:
        """Those that change when something was composed."""
        return [self.frame, *self.players, self.which, *self.views]


def build(settings: serving.Settings | None = None) -> gr.Blocks:
    """The page, not yet served."""
    settings = settings or serving.Settings()
    studio = Studio(settings)
    with gr.Blocks(title=TITLE, **serving.blocks(settings)) as page:
        gr.Markdown(WELCOME)
        with gr.Tabs():
            with gr.Tab("Score a clip", elem_id="tab-score"):
                score_tab(studio)
            with gr.Tab("Judge", elem_id="tab-judge"):
                judge_tab(studio)
            with gr.Tab("Batch", elem_id="tab-batch"):
                batch_tab(studio)
        page.unload(gone)
        page.load(prepare, **PRIVATE)
    return page


def gone(request: gr.Request) -> None:
    """Stop what runs for a visitor who closed the page."""
    serving.leave(request.session_hash)


def prepare() -> None:
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
            with gr.Row():
                compose = gr.Button("Compose", variant="primary", elem_id="compose")
                cancel = gr.Button("Cancel", variant="stop", elem_id="cancel", visible=False)
            status = gr.Markdown(IDLE, label="Sentence", elem_id="status")
    results = result_widgets()
    watching(studio, clips, wished, drawn)
    buttons = [compose, cancel, results.reroll]
    work, outputs = serving.work(studio.settings), [*results.home, status]
    for button in (compose, results.reroll):
        button.click(busy, None, [*buttons, status], **PRIVATE)
    composing = compose.click(
        studio.compose, [clips.clip, *wished, visit], outputs, api_name="compose", show_progress_on=status, **AGAIN,
        **work,
    )  # fmt: skip
    rolling = results.reroll.click(
        studio.reroll, [results.which, results.redraw, results.keep, visit], outputs, api_name="reroll",
        show_progress_on=status, **AGAIN, **work,
    )  # fmt: skip
    for event, show in ((composing, shown), (rolling, newest)):
        event.success(show, visit, results.all, **PRIVATE).success(None, None, None, js=SCROLL, **PRIVATE)
    for event in (composing, rolling):
        event.then(idle, None, buttons, **PRIVATE)
        event.failure(lambda: (*idle(), FAILED), None, [*buttons, status], **PRIVATE)
    cancel.click(stopped, None, [*buttons, status], cancels=[composing, rolling], **PRIVATE)
    results.which.input(looked, [results.which, visit], results.views, trigger_mode="always_last", **PRIVATE)
    results.which.input(
        studio.variant,
        [results.which, visit],
        outputs,
        api_name="variant",
        queue=False,
        show_progress="hidden",
        trigger_mode="always_last",
    )
    results.redraw.change(keepable, results.redraw, results.keep, **PRIVATE)


def clip_widgets() -> Clips:
    """Where the clip goes in."""
    clip = gr.Video(label="Your clip", sources=["upload"], elem_id="clip", height=280)
    demo = gr.Button("No clip at hand? Take the demo clip", size="sm", elem_id="demo")
    return Clips(clip, demo, gr.HTML(label="Watched", elem_id="watched"))


def wish_widgets(settings: serving.Settings) -> tuple[Wishing, gr.HTML]:
    """What may be wished for, and the drawing of the curve."""
    style = gr.Dropdown(named_styles(), value=DEFAULT.style, label="Style", elem_id="style")
    feeling = gr.Dropdown(list(FEELINGS), value=PICTURE, label="How it should feel", elem_id="feeling")
    with gr.Row(visible=False) as point:
        valence = gr.Slider(-1, 1, 0, step=0.05, label="Valence", info="-1 unpleasant, 1 pleasant", elem_id="valence")
        arousal = gr.Slider(-1, 1, 0, step=0.05, label="Arousal", info="-1 calm, 1 excited", elem_id="arousal")
    with gr.Group(visible=False, elem_id="drawing") as drawing_box:
        drawn, curve = curve_widgets()
    feeling.change(asked, feeling, [point, drawing_box], **PRIVATE)
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


def named_styles() -> list[tuple[str, str]]:
    """The styles that come with the program, in words."""
    return [(STYLES.get(name, name), name) for name in styles.names()]


def named_sounds() -> list[tuple[str, str]]:
    """What may become of a clip's own sound, in words; the usual first."""
    return [(SOUNDS[kind], kind) for kind in reversed(SOURCES)]


def further_wishes() -> tuple[Any, ...]:
    """The wishes that few have: key, primer, tempo, source sound, candidates, encoder, stems."""
    with gr.Row():
        key = gr.Dropdown(list(KEYS), value=ANY_KEY, label="Key", elem_id="key")
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
    source = gr.Radio(named_sounds(), value=DEFAULT.source, label="The clip's own sound is", elem_id="source")
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
        numbers = [(f"Variant {number}", number) for number in range(1, SLOTS + 1)]
        which = gr.Radio(numbers, value=1, label="Look at", visible=False, elem_id="which")
        with gr.Row(elem_classes="home"):
            home = [
                gr.DownloadButton(name, size="sm", elem_id=f"download-{kind}")
                for name, kind in zip(TAKEN_HOME, HOME_IDS, strict=True)
            ]
        with gr.Accordion("Not quite? Roll it again", elem_id="again"):
            with gr.Row():
                redraw = gr.Dropdown(choices(), value=EVERYTHING, label="Draw anew", elem_id="redraw")
                keep = gr.CheckboxGroup(list(LOCKS), label="But keep", elem_id="keep")
            reroll = gr.Button("Roll again", size="md", elem_id="reroll")
        compared, verdict, chart, roll = (view(name, heading) for name, heading in VIEWS.items())
    return Results(frame, players, which, compared, verdict, chart, roll, redraw, keep, reroll, home)


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
        "trigger_mode": "always_last",
    }  # fmt: skip
    refused = clips.clip.upload(**look, api_name="watch").failure
    refused(lambda: (None, ""), None, [clips.clip, clips.watched], **PRIVATE)  # the next one is welcome
    clips.demo.click(studio.demo, None, clips.clip, api_visibility="private", concurrency_id="demo").success(
        **look, api_visibility="private"
    )
    clips.clip.clear(lambda: "", None, clips.watched, **PRIVATE)
    drawn.input(drawing.text, drawn, wished.curve, **PRIVATE)
    drawn.change(drawing.text, drawn, wished.curve, **PRIVATE)
    wished.curve.blur(drawing.redrawn, [wished.curve, drawn], drawn, **PRIVATE)


def asked(feeling: str) -> tuple[gr.Row, gr.Group]:
    """A point and a curve are asked for where they are wished for."""
    return gr.Row(visible=feeling == POINT), gr.Group(visible=feeling == CURVE)


def keepable(part: int) -> gr.CheckboxGroup:
    """Something can be kept where everything else is drawn anew."""
    return gr.CheckboxGroup(visible=part == EVERYTHING)


def busy() -> tuple[Any, ...]:
    """While something is composed it can be cancelled, and nothing else begun."""
    return gr.Button(interactive=False), gr.Button(visible=True), gr.Button(interactive=False), WORKING


def idle() -> tuple[Any, ...]:
    """Nothing is composed any more."""
    return gr.Button(interactive=True), gr.Button(visible=False), gr.Button(interactive=True)


def stopped() -> tuple[Any, ...]:
    """What the page says when the visitor has stopped the work."""
    return *idle(), STOPPED


def judge_tab(studio: Studio) -> None:
    """The tab that tells what music feels like."""
    gr.Markdown("Drop any sound or MIDI file: a judge that was trained on people's ratings says what it feels like.")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            music = gr.File(label="Music", file_types=list(uploads.TYPES["music"]), elem_id="judge-file", height=160)
            who = gr.Dropdown(
                [(JUDGES[name], name) for name in JUDGES],
                value=next(iter(JUDGES)),
                label="Who listens",
                elem_id="judge-who",
            )
            go = gr.Button("Listen", variant="primary", elem_id="judge-go")
            taken = gr.DownloadButton("Figures (.json)", size="sm", interactive=False, elem_id="judge-json")
        with gr.Column(scale=2, min_width=320):
            judged = gr.HTML("<p>Nothing was heard yet.</p>", label="Judged", elem_id="judged", min_height=120)
            figures = gr.JSON(visible=False, label="Figures")
    judging = go.click(
        studio.judge, [music, who], [figures, judged, taken], api_name="judge", show_progress_on=judged,
        **serving.work(studio.settings),
    )  # fmt: skip
    judging.success(offered, None, taken, **PRIVATE)


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
                headers=list(BATCH_COLUMNS),
                datatype="str",
                interactive=False,
                wrap=True,
                elem_id="batch-table",
                show_label=False,
            )
            with gr.Row():
                taken = [
                    gr.DownloadButton(name, size="sm", interactive=False, elem_id=f"batch-{kind}")
                    for name, kind in (("Summary (CSV)", "csv"), ("Summary (HTML)", "html"), ("All of it (ZIP)", "zip"))
                ]
    go.click(waiting, None, [go, cancel], **PRIVATE)
    scoring = go.click(
        studio.batch, [clips, *wished], [table, status, *taken], api_name="batch", show_progress_on=status,
        **AGAIN, **serving.work(studio.settings),
    )  # fmt: skip
    scoring.then(over, None, [go, cancel], **PRIVATE)
    scoring.failure(over, None, [go, cancel], **PRIVATE)
    scoring.success(lambda: [offered()] * len(taken), None, taken, **PRIVATE)
    cancel.click(batch_stopped, None, [go, cancel, status], cancels=scoring, **PRIVATE)


def offered() -> gr.DownloadButton:
    """There is something to take home now."""
    return gr.DownloadButton(interactive=True)


def batch_wishes() -> list[Any]:
    """What the clips of a batch have in common, in the order of `Studio.batch`."""
    offered = [choice for choice in FEELINGS if choice[1] not in (POINT, CURVE)]
    return [
        gr.Dropdown(offered, value=PICTURE, label="How they should feel", elem_id="batch-feeling"),
        gr.Slider(0, 1, DEFAULT.strength, step=0.05, label="How strongly", elem_id="batch-strength"),
        gr.Dropdown(
            named_styles(),
            value=DEFAULT.style,
            label="Style",
            elem_id="batch-style",
        ),
        gr.Radio(
            named_sounds(),
            value=DEFAULT.source,
            label="The clips' own sound is",
            elem_id="batch-source",
        ),
        gr.Number(DEFAULT.seed, precision=0, minimum=0, label="Seed", elem_id="batch-seed"),
        gr.Slider(
            1, wishes.MOST_CANDIDATES, DEFAULT.candidates, step=1, label="Candidates", elem_id="batch-candidates"
        ),
    ]


def waiting() -> tuple[Any, Any]:
    """While a batch is scored it can be cancelled."""
    return gr.Button(interactive=False), gr.Button(visible=True)


def over() -> tuple[Any, Any]:
    """The batch is done."""
    return gr.Button(interactive=True), gr.Button(visible=False)


def batch_stopped() -> tuple[Any, ...]:
    """What the page says when the visitor has stopped a batch."""
    return *over(), STOPPED_BATCH


def theme() -> gr.themes.Base:
    """Plain and quiet, in the fonts of the visitor's machine; white letters are easy to read on the main button."""
    fonts: Any = {"font": ("system-ui", "sans-serif"), "font_mono": ("ui-monospace", "monospace")}
    dark, darker = "*primary_700", "*primary_800"
    return gr.themes.Default(primary_hue="teal", neutral_hue="slate", **fonts).set(
        button_primary_background_fill=dark,
        button_primary_background_fill_dark=dark,
        button_primary_background_fill_hover=darker,
        button_primary_background_fill_hover_dark=darker,
    )


def serve(page: gr.Blocks, settings: serving.Settings, **options: Any) -> None:
    """Serve a page; `options` are those of gradio's launch."""
    serving.serve(page, settings, theme=theme(), css=CSS, **options)


def main() -> None:
    """Serve the page on this machine until stopped."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    wait_quietly()  # before the first piece brings torch
    try:
        settings = serving.read(sys.argv[1:])
        page = build(settings)
    except UserError as error:
        sys.exit(f"error: {error}")
    serve(page, settings)


if __name__ == "__main__":
    main()
