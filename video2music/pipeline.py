"""One clip in, a scored clip out: the only module that knows the order of the rooms."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

import emotion.judge
from emotion.errors import CheckpointError
from emotion.midi import synthesis
from emotion.values import EmotionReport
from video2music import features, styles
from video2music.arranging import midi
from video2music.chords import lab_lines
from video2music.composing import chart, manifest, search
from video2music.composing.composition import Composition
from video2music.composing.draft import Draft, Kept, load_models, redrawn, score_of
from video2music.composing.form import MET_S
from video2music.composing.target import check, target
from video2music.media import audiofile, mux
from video2music.media.clip import probe
from video2music.media.soundtrack import soundtrack
from video2music.mixing import mix
from video2music.options import Options, Result
from video2music.output import Output, claim, files_in, workshop
from video2music.values import VideoFeatures

log = logging.getLogger(__name__)

STAGES = ("watch", "form", "chords", "dynamics", "search", "arrange", "render", "mux", "judge")
Progress = Callable[[str, float], None]

_TAKE_DRAW, _VARIANT_DRAW = 4, 5  # streams of their own under the one seed
SELECTS, REPORTS = "poolingvq", "adff"  # judges; the one that reports had no part in the choice


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

    A `replay` plays a composition again instead of making one, or keeps of it what it says; without `options` it has
    its own. Several variants go into `out/<stem>/v1/` and so on; what is returned is the first, which names them all.
    `name` replaces the folder's name. `progress(stage, fraction)` is told of every stage in STAGES. Of several
    candidates the `judge` keeps one, and the `reporter` hears what came out; by default those that ship. Raises
    UserError with one sentence; nothing half-made is left under a final name.
    """
    clip = Path(clip)
    options = options or (replay.options if replay else Options())
    if replay:
        replay.check(clip)
        replay.allow(options)
    if replay is None or replay.locks:
        check(options, _style(options, replay))
    probe(clip)
    numbers = range(1, options.variants + 1) if options.variants > 1 else (None,)
    outputs = [claim(Path(out), clip, name=name, overwrite=overwrite, variant=number) for number in numbers]
    clock = Clock(progress)
    seen = watch(clip, options, clock) if replay is None or not replay.is_plain else None
    results = []
    for output, wish in zip(outputs, variations(options), strict=True):
        written = begin(replay, seen, wish, clock, judge)
        with workshop(output) as folder:
            video, report = play(clip, written, wish, folder / output.stem, clock, reporter)
        results.append(_result(output, video.name, written.composition.form.duration_s, wish, clock.seconds, report))
    return replace(results[0], variants=tuple(results)) if len(results) > 1 else results[0]


def _style(options: Options, replay: manifest.Replay | None) -> str:
    """The TOML text of the wished style; of a piece that goes on in its own style, the piece's. Raises StyleError."""
    same = replay is not None and replay.options.style == options.style
    return replay.composition.style if replay and same else styles.read(options.style)


def watch(clip: Path, options: Options, clock: "Clock") -> VideoFeatures:
    """What there is to see in the clip, or in as much of it as is to be scored."""
    with clock.stage("watch") as tell:
        return features.extract(clip, encoder=options.encoder, until_s=options.preview_s, on_progress=tell)


def variations(options: Options) -> list[Options]:
    """The wishes for each variant: the first has the seed that was asked for, the others have their own."""
    rng = np.random.default_rng([options.seed, _VARIANT_DRAW])
    seeds = [options.seed, *rng.integers(2**31, size=options.variants - 1).tolist()]
    return [replace(options, seed=seed, variants=1) for seed in seeds]


class Written(NamedTuple):
    """A composition and, where several were begun, how it was found among them."""

    composition: Composition
    found: search.Found | None


def begin(
    replay: manifest.Replay | None,
    seen: VideoFeatures | None,
    options: Options,
    clock: "Clock",
    judge: search.Judge | None,
) -> Written:
    """A new composition for what was `seen`, or an earlier one: as it was, with a section or all but its locks anew."""
    if seen is None or (replay and replay.is_plain):
        assert replay is not None
        return Written(replay.composition, None)
    if replay is None or replay.redraw is None:
        kept = Kept(replay.composition, replay.locks) if replay else None
        return write(seen, options, clock=clock, judge=judge, kept=kept, style=_style(options, replay))
    with clock.stage("chords"):
        takes = len(replay.composition.takes)
        seed = int(np.random.default_rng([options.seed, _TAKE_DRAW, takes]).integers(2**31))
        return Written(redrawn(replay.composition, replay.redraw, seen, options, seed), None)


def write(
    seen: VideoFeatures,
    options: Options,
    *,
    clock: "Clock | None" = None,
    judge: search.Judge | None = None,
    kept: Kept | None = None,
    style: str | None = None,
) -> Written:
    """Compose for what was seen: begin as many drafts as the options say and let the judge keep the best.

    Without a `judge` the shipped one listens; where its weights are missing only one draft is begun. What is `kept` of
    an earlier composition is in every draft. `style` is TOML text in place of the options' style.
    """
    clock, style = clock or Clock(), style or styles.read(options.style)
    aim, models = target(seen, options), load_models()
    judge = judge or _shipped(SELECTS) if options.candidates > 1 else None
    draws = search.draws(options.seed, options.strength, options.candidates if judge else 1)
    with clock.stage("form"):
        drafts = [
            Draft(seen, aim, options, style=style, models=models, seed=seed, pull=pull, kept=kept)
            for seed, pull in draws
        ]
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
    paths = _paths(stem, options.audio_format)
    composition, duration_s = written.composition, written.composition.form.duration_s
    _tell_missed(options, composition)
    with clock.stage("arrange"):
        midi.write(score_of(composition), paths["midi"])
        paths["chords"].write_text(_chord_names(composition))
        paths["chart"].write_text(chart.text(composition), encoding="utf-8")
        chart.musicxml(composition, paths["lead_sheet"], title=clip.stem)
    with clock.stage("render") as tell:
        music, under = stem.with_name(f"{stem.name}.music.wav"), stem.with_name(f"{stem.name}.under.wav")
        mixed = mix.mix(
            _telling(synthesis.stems(paths["midi"], duration_s=duration_s), duration_s, tell),
            music,
            duration_s=duration_s,
            source=soundtrack(clip),
            how=options.source,
            under=under,
            stems_folder=stem.with_name("stems") if options.stems else None,
        )
    with clock.stage("mux"):
        sound = under if under.exists() else music
        scored = mux.mux(
            clip, sound, stem.with_name(f"{stem.name}.scored"), duration_s=duration_s, until_s=options.preview_s
        )
        under.unlink(missing_ok=True)
        audiofile.encode(music, paths["audio"], kind=options.audio_format, duration_s=duration_s)
        music.unlink(missing_ok=True)
    with clock.stage("judge"):
        reporter = reporter or _shipped(REPORTS)
        report = reporter.hear(paths["audio"]) if reporter else None
    told = manifest.build(
        clip,
        composition,
        options,
        search=written.found.to_json() if written.found else None,
        report=asdict(report) if report else None,
        sound={"synthesizer": synthesis.synthesizer(), "soundfont": synthesis.find_soundfont().name, **asdict(mixed)},
        files=sorted({paths["manifest"].name, *(str(p.relative_to(stem.parent)) for p in files_in(stem.parent))}),
        seconds=clock.seconds,
    )
    paths["manifest"].write_text(json.dumps(told, indent=1) + "\n")
    return scored, report


def _telling(
    stems: Mapping[str, Iterator[synthesis.Samples]], duration_s: float, tell: Callable[[float], None]
) -> dict[str, Iterator[synthesis.Samples]]:
    """The same stems; `tell` hears with every block how much of all of them was played, so that it may also stop it."""
    whole, played = max(len(stems) * duration_s * synthesis.SAMPLE_RATE, 1), 0

    def told(blocks: Iterator[synthesis.Samples]) -> Iterator[synthesis.Samples]:
        nonlocal played
        for block in blocks:
            played += len(block)
            tell(played / whole)
            yield block

    return {name: told(blocks) for name, blocks in stems.items()}


def _tell_missed(options: Options, composition: Composition) -> None:
    """A line in the log for every wished hit that no downbeat meets."""
    for hit_s, error_ms in zip(options.hits, composition.form.hit_errors_ms, strict=False):
        if abs(error_ms) > 1000 * MET_S:
            log.warning("no downbeat meets the hit at %g s: the nearest is %+.0f ms off", hit_s, error_ms)


def _chord_names(composition: Composition) -> str:
    """The chords in the sounding key as lines of a .lab file."""
    sounding = [chord.transpose(composition.key.shift) for chord in composition.sounding]
    form = composition.form
    return lab_lines(sounding, form.steps_s, form.step_ends_s, flats=composition.key.flats)


def _paths(stem: Path, audio_format: str) -> dict[str, Path]:
    """Where each kind of file of a scored clip goes, given the path that their names begin with."""
    return {
        kind: stem.with_name(f"{stem.name}.{suffix}") for kind, suffix in {**_SUFFIXES, "audio": audio_format}.items()
    }


_SUFFIXES = MappingProxyType({
    "midi": "mid",
    "chords": "chords.lab",
    "chart": "chords.txt",
    "lead_sheet": "musicxml",
    "manifest": "json",
})  # fmt: skip


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
    output: Output,
    video: str,
    duration_s: float,
    options: Options,
    seconds: Mapping[str, float],
    report: EmotionReport | None,
) -> Result:
    paths = _paths(output.folder / output.stem, options.audio_format)
    return Result(
        video=output.folder / video,
        stems=output.folder / "stems" if options.stems else None,
        duration_s=duration_s,
        seconds=dict(seconds),
        report=report,
        audio=paths["audio"],
        midi=paths["midi"],
        chords=paths["chords"],
        chart=paths["chart"],
        lead_sheet=paths["lead_sheet"],
        manifest=paths["manifest"],
    )
