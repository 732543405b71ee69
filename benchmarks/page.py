"""How soon the page serves somebody: app.py as `make app` starts it, Chromium before it, a clip of ten seconds."""

import shutil
import time
from pathlib import Path

from tests.browser.server import chromium_here, opened, serving
from tests.browser.visitor import Visitor
from video2music import demo
from video2music.media.encode import encode_video

REPEATS = 2
CLIP_S, FPS = 10, 8
WISHES = {"color, 1 candidate": "1", "as it comes": None}
SCORED_WITHIN_S = 300


def page(work: Path) -> dict[str, list[float]]:
    """Seconds from the start of app.py to its first answer, from there to a page that can be used, and from handing a
    clip over to its score in a player, with the judge's verdict: for the first visitor, who finds no models loaded,
    and for later ones, each with a clip that was never watched before.
    """
    chromium = chromium_here()
    if chromium is None:
        return {}
    rows: dict[str, list[float]] = {}
    with opened(chromium) as browser:
        for repeat in range(REPEATS):
            folder = work / f"page-{repeat}"
            folder.mkdir()
            with serving(folder) as server:
                rows.setdefault("app.py to its first answer s", []).append(server.start_s)
                wishes = list(WISHES.items())[:: 1 if repeat % 2 else -1]  # either is the first visitor's in turn
                for number, (name, candidates) in enumerate(2 * wishes):
                    someone = Visitor(browser, server.address)
                    opened_s = someone.open()
                    if number == 0:
                        rows.setdefault("first page usable s", []).append(opened_s)
                    told = f"{CLIP_S} s clip to scored, {name}{', first visitor' * (number == 0)} s"
                    clip = _clip(folder / f"{number}.mp4", 4 * repeat + number)
                    rows.setdefault(told, []).append(_scored_s(someone, clip, candidates))
                    someone.close()
            shutil.rmtree(folder)
    return rows


def _scored_s(someone: Visitor, clip: Path, candidates: str | None) -> float:
    """Seconds from handing a clip over to score and verdict; Compose is pressed as soon as the server has the clip."""
    if candidates:
        someone.unfold("More options")
        someone.write("candidates", candidates)
    began = time.perf_counter()
    someone.give("clip", clip)
    someone.press("compose")
    film, verdict = someone.part("variant-1").locator("video"), someone.part("view-match").locator("svg").first
    someone.wait_until(lambda: film.is_visible() and verdict.is_visible(), "the score", SCORED_WITHIN_S)
    return time.perf_counter() - began


def _clip(path: Path, number: int) -> Path:
    """Three scenes of the demo's, other pictures for each number."""
    scenes = (demo.dawn, demo.drive, demo.rain)
    each = CLIP_S * FPS // len(scenes) + 1
    times_s = [(scene, number / 10 + index / FPS) for scene in scenes for index in range(each)][: CLIP_S * FPS]
    return encode_video((scene(time_s) for scene, time_s in times_s), path, fps=FPS, size=(demo.WIDTH, demo.HEIGHT))
