"""The page: upload a clip, say how it should feel, watch it with music composed for it. Widgets and wording only."""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr

import video2music
from emotion.affect import EMOTIONS
from emotion.threads import wait_quietly
from video2music import Options, UserError
from video2music.chords import ROOTS
from video2music.values import MODES, Key

log = logging.getLogger(__name__)

DEFAULT = Options()
TITLE = "Video2Music"
WELCOME = """# Video2Music
Upload a clip. The program watches it, composes music that follows its cuts, its movement and its mood, and puts that
music under the picture."""
FROM_PICTURE = "picture"
FEELINGS = (
    ("as the picture feels", FROM_PICTURE),
    *((name, name) for name in EMOTIONS),
    ("bright and lively (q1)", "q1"),
    ("dark and agitated (q2)", "q2"),
    ("dark and calm (q3)", "q3"),
    ("bright and calm (q4)", "q4"),
)
ANY_KEY = "any"
KEYS = (
    ("as mood and seed decide", ANY_KEY),
    *((str(key), str(key)) for mode in MODES for key in (Key(tonic, mode) for tonic in range(len(ROOTS)))),
)
STAGES = MappingProxyType({
    "watch": "Watching the clip",
    "form": "Fitting bars to the cuts",
    "chords": "Writing chords",
    "dynamics": "Shaping the dynamics",
    "search": "Listening to other ways to go on",
    "arrange": "Arranging",
    "render": "Playing the instruments",
    "mux": "Putting the music under the picture",
    "judge": "Listening to the result",
})  # fmt: skip


def score(
    clip: str | None,
    feeling: str,
    strength: float,
    key: str,
    seed: float | None,
    former: str | None,
    candidates: float = DEFAULT.candidates,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 how gradio hands the bar over
) -> tuple[str, str, str, str, str]:
    """Compose for the uploaded clip: scored video, the same to download, MIDI, WAV, and the run's folder.

    `former` is the folder of this visitor's run before, which is thrown away. Raises gr.Error with one sentence.
    """
    if clip is None:
        raise gr.Error("There is no clip yet: upload one first.", title="No clip")
    forget(former)
    folder = Path(tempfile.mkdtemp(prefix="video2music-"))
    try:
        options = Options(
            emotion=None if feeling == FROM_PICTURE else feeling,
            strength=strength,
            key=None if key == ANY_KEY else key,
            seed=int(seed or 0),
            candidates=int(candidates),
        )
        result = video2music.compose(Path(clip), folder, options, progress=bar(progress))
    except Exception as error:  # the page's outer edge
        forget(str(folder))
        raise gr.Error(
            _sentence(error, Path(clip), folder), title="This did not work", duration=None, print_exception=False
        ) from None
    return str(result.video), str(result.video), str(result.midi), str(result.audio), str(folder)


def forget(folder: str | None) -> None:
    """Throw a run's folder away."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def build() -> gr.Blocks:
    """The page, not yet served."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.Markdown(WELCOME)
        run = gr.State(value=None, delete_callback=forget)
        with gr.Row():
            with gr.Column():
                clip = gr.Video(label="Your clip", sources=["upload"])
                feeling = gr.Dropdown(list(FEELINGS), value=FROM_PICTURE, label="How it should feel")
                strength = gr.Slider(0, 1, DEFAULT.strength, step=0.05, label="How strongly", info="0 is not at all")
                with gr.Row():
                    key = gr.Dropdown(list(KEYS), value=ANY_KEY, label="Key")
                    seed = gr.Number(0, precision=0, minimum=0, label="Seed", info="Another seed, another piece")
                candidates = gr.Slider(
                    1, 16, DEFAULT.candidates, step=1, label="Candidates",
                    info="Pieces to begin, of which the one that feels right is kept; 1 is no choice",
                )  # fmt: skip
                button = gr.Button("Compose", variant="primary")
            with gr.Column():
                scored = gr.Video(label="With its music", interactive=False)
                downloads = [gr.DownloadButton(label) for label in ("Video", "MIDI", "Music (WAV)")]
        button.click(
            score, [clip, feeling, strength, key, seed, run, candidates], [scored, *downloads, run], api_name="score",
            show_progress_on=scored,
        )  # fmt: skip
    return page


def serve(page: gr.Blocks, **options: Any) -> None:
    """Serve a page with the fonts of the visitor's machine; `options` are those of gradio's launch."""
    theme = gr.themes.Default(font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace"))
    page.launch(theme=theme, footer_links=[], ssr_mode=False, **options)


def main() -> None:
    """Serve the page on this machine until stopped."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    wait_quietly()  # before the first piece brings torch
    serve(build())


def bar(progress: Callable[..., object]) -> Callable[[str, float], None]:
    """The pipeline's stages as one bar that names the stage."""
    order = list(STAGES)

    def tell(stage: str, fraction: float) -> None:
        progress((order.index(stage) + fraction) / len(order), desc=STAGES[stage])

    return tell


_FOR_A_COMMAND = re.compile(r":[^:]*(?<![\w-])--?[a-z].*", re.DOTALL)  # advice that names an option


def _sentence(error: Exception, clip: Path, folder: Path) -> str:
    """What to tell the visitor, who knows the clip by its name and not by where the server keeps it and its score."""
    if isinstance(error, UserError):
        told = str(error).replace(str(clip), "\0").replace(f"{folder}{os.sep}", "").replace(str(folder), "the result")
        return _FOR_A_COMMAND.sub("", told).replace("\0", clip.name)
    log.error("unforeseen", exc_info=error)
    return f"Something unforeseen happened ({type(error).__name__}): the terminal that serves this page says more."


if __name__ == "__main__":
    main()
