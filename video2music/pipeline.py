"""One clip in, a scored clip out: the only module that knows the order of the rooms."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, Protocol

import emotion.judge
from emotion import synthesis
from emotion.errors import CheckpointError
from emotion.values import EmotionReport
from video2music import features, manifest, media, midi, mix, mux, search, styles
from video2music.chords import lab_lines
from video2music.composition import Composition
from video2music.draft import Draft, load_models, score_of
from video2music.output import Output, claim, workshop
from video2music.target import from_wish, target
from video2music.values import Options, Result, VideoFeatures

log = logging.getLogger(__name__)

STAGES = ("watch", "form", "chords", "dynamics", "search", "arrange", "render", "mux", "judge")
Progress = Callable[[str, float], None]

SELECTS, REPORTS = "poolingvq", "reporter"  # judges; the one that reports had no part in the choice


class Reporter(Protocol):
    """Hears the finished sound: emotion.judge.Judge, or whoever is put in its place."""

    def hear(self, audio: Path) -> EmotionReport:
        """A report on a sound file."""
        ...


def compose(
    clip: Path | str,
    out: Path | str,
    options: Options | None = None,
    *,
    replay: manifest.Replay | None = None,
    name: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    judge: search.Judge | None = None,
    reporter: Reporter | None = None,
) -> Result:
    """Score one clip into `out/<stem>/` and return what was made.

    A `replay` plays a composition again, with its own options, instead of making one. `name` replaces the folder's
    name. `progress(stage, fraction)` is told of every stage in STAGES. Of several candidates the `judge` keeps one, and
    the `reporter` hears what came out; by default those that ship. Raises UserError with one sentence; nothing
    half-made is left under a final name.
    """
    clip = Path(clip)
    options = replay.options if replay else options or Options()
    clock = Clock(progress)
    if replay:
        replay.check(clip)
    else:
        check(options)
    media.probe(clip)
    output = claim(Path(out), clip, name=name, overwrite=overwrite)
    written = Written(replay.composition, None) if replay else watch_and_write(clip, options, clock, judge)
    with workshop(output) as folder:
        video, report = play(clip, written, options, folder / output.stem, clock, reporter)
    return _result(output, video.name, written.composition.form.duration_s, clock.seconds, report)


def check(options: Options) -> None:
    """Refuse wishes that name what is not there, before a long clip is watched. Raises UserError."""
    features.encoders.choose(options.encoder)
    styles.load_style(options.style)
    from_wish(options, seconds=1)


def watch_and_write(clip: Path, options: Options, clock: "Clock", judge: search.Judge | None = None) -> "Written":
    """Watch the clip and compose for what was seen."""
    with clock.stage("watch") as tell:
        seen = features.extract(clip, encoder=options.encoder, on_progress=tell)
    return write(seen, options, clock=clock, judge=judge)


class Written(NamedTuple):
    """A composition and, where several were begun, how it was found among them."""

    composition: Composition
    found: search.Found | None


def write(
    seen: VideoFeatures, options: Options, *, clock: "Clock | None" = None, judge: search.Judge | None = None
) -> Written:
    """Compose for what was seen: begin as many drafts as the options say and let the judge keep the best.

    Without a `judge` the shipped one listens; where its weights are missing only one draft is begun.
    """
    clock, style, aim, models = clock or Clock(), styles.read(options.style), target(seen, options), load_models()
    judge = judge or _shipped(SELECTS) if options.candidates > 1 else None
    draws = search.draws(options.seed, options.strength, options.candidates if judge else 1)
    with clock.stage("form"):
        drafts = [Draft(seen, aim, options, style=style, models=models, seed=seed, pull=pull) for seed, pull in draws]
    with clock.stage("chords"):
        drafts[0].write(len(drafts[0].form))
    with clock.stage("dynamics"):
        for draft in drafts:
            draft.shape()
    with clock.stage("search") as tell:
        found = search.best(drafts, judge, aim, tell=tell) if judge else None
    return Written(found.candidates[found.kept].composition if found else drafts[0].composition(), found)


def _shipped(name: str) -> emotion.judge.Judge | None:
    """A judge with the weights that ship, None with a line in the log where they are missing."""
    try:
        return emotion.judge.load(name)
    except CheckpointError as error:
        log.warning("the judge %s does not listen: %s", name, error)
        return None


def play(
    clip: Path, written: Written, options: Options, stem: Path, clock: "Clock", reporter: Reporter | None = None
) -> tuple[Path, EmotionReport | None]:
    """Arrange, render, mux and hear a composition, into files that begin with `stem`; the scored video, the report."""
    paths = {kind: stem.with_name(f"{stem.name}.{suffix}") for kind, suffix in _SUFFIXES.items()}
    composition, duration_s = written.composition, written.composition.form.duration_s
    with clock.stage("arrange"):
        midi.write(score_of(composition), paths["midi"])
        paths["chords"].write_text(_chord_names(composition))
    with clock.stage("render"):
        mixed = mix.master(
            synthesis.render(paths["midi"], duration_s=duration_s), paths["audio"], duration_s=duration_s
        )
    with clock.stage("mux"):
        scored = mux.mux(clip, paths["audio"], stem.with_name(f"{stem.name}.scored"), duration_s=duration_s)
    with clock.stage("judge"):
        reporter = reporter or _shipped(REPORTS)
        report = reporter.hear(paths["audio"]) if reporter else None
    told = manifest.build(
        clip,
        composition,
        options,
        search=written.found.to_json() if written.found else None,
        report=asdict(report) if report else None,
        sound={"synthesizer": synthesis.synthesizer(), "soundfont": synthesis.find_soundfont().name, **vars(mixed)},
        files=sorted(path.name for path in [*paths.values(), scored]),
        seconds=clock.seconds,
    )
    paths["manifest"].write_text(json.dumps(told, indent=1) + "\n")
    return scored, report


def _chord_names(composition: Composition) -> str:
    """The chords in the sounding key as lines of a .lab file."""
    sounding = [chord.transpose(composition.key.shift) for chord in composition.chords]
    form = composition.form
    return lab_lines(sounding, form.steps_s, form.step_ends_s, flats=composition.key.flats)


_SUFFIXES = {"midi": "mid", "audio": "wav", "chords": "chords.lab", "manifest": "json"}


class Clock:
    """Times the stages and tells of their progress."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.progress = progress or (lambda stage, fraction: None)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time what happens inside; what it yields may be told the fraction that is done."""
        self.progress(name, 0.0)
        started = time.perf_counter()
        yield lambda fraction: self.progress(name, min(fraction, 1.0))
        self.seconds[name] = round(time.perf_counter() - started, 3)
        self.progress(name, 1.0)


def _result(
    output: Output, video: str, duration_s: float, seconds: Mapping[str, float], report: EmotionReport | None
) -> Result:
    def path(kind: str) -> Path:
        return output.folder / f"{output.stem}.{_SUFFIXES[kind]}"

    return Result(
        video=output.folder / video,
        audio=path("audio"),
        midi=path("midi"),
        chords=path("chords"),
        manifest=path("manifest"),
        duration_s=duration_s,
        seconds=seconds,
        report=report,
    )
