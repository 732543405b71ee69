"""One clip in, a scored clip out: the only module that knows the order of the rooms."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from emotion import synthesis
from emotion.values import AffectCurve
from video2music import arrange, features, form, manifest, media, midi, mix, mux, styles
from video2music.chords import Chord, lab_lines, parse_sequence
from video2music.composition import Composition
from video2music.model import amt, decode, regressor
from video2music.model.picture import Picture, at_steps, over_stretches
from video2music.output import Output, claim, workshop
from video2music.target import emotion_rows, from_wish, target
from video2music.values import Form, Key, Marker, Options, Result, Score

log = logging.getLogger(__name__)

STAGES = ("watch", "form", "chords", "dynamics", "arrange", "render", "mux")
Progress = Callable[[str, float], None]

_KEY_DRAW, _ARRANGER_DRAW = 1, 2  # each draw has a stream of its own under the one seed


def compose(
    clip: Path | str,
    out: Path | str,
    options: Options | None = None,
    *,
    replay: manifest.Replay | None = None,
    name: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Score one clip into `out/<stem>/` and return what was made.

    A `replay` plays a composition again, with its own options, instead of making one. `name` replaces the folder's
    name. `progress(stage, fraction)` is told of every stage in STAGES. Raises UserError with one sentence; nothing
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
    composition = replay.composition if replay else watch_and_write(clip, options, clock)
    with workshop(output) as folder:
        video = play(clip, composition, options, folder / output.stem, clock)
    return _result(output, video.name, composition.form.duration_s, clock.seconds)


def check(options: Options) -> None:
    """Refuse wishes that name what is not there, before a long clip is watched. Raises UserError."""
    features.encoders.choose(options.encoder)
    styles.load_style(options.style)
    from_wish(options, seconds=1)


def watch_and_write(clip: Path, options: Options, clock: "Clock") -> Composition:
    """Watch the clip; form, chords and dynamics for what was seen."""
    style = styles.read(options.style)
    with clock.stage("watch") as tell:
        seen = features.extract(clip, encoder=options.encoder, on_progress=tell)
    models = load_models()
    aim = target(seen, options)
    key = _key(options, aim)
    emotion = emotion_rows(seen, aim)
    with clock.stage("form"):
        plan = form.plan(
            seen.duration_s,
            seen.cuts,
            arousal=float(aim.arousal.mean()),
            style=styles.parse(style, where=options.style),
        )
        picture = at_steps(seen, plan.steps_s, plan.step_ends_s, emotion)
    with clock.stage("chords"):
        chords = _chords(models.amt, picture, plan, key, options)
    with clock.stage("dynamics"):
        arousal = over_stretches(aim.points, plan.steps_s, plan.step_ends_s)[:, 1]
        dynamics = regressor.dynamics(models.regressor, picture, arousal=arousal, strength=options.strength)
    weights = {seen.encoder: features.encoders.ENCODERS[seen.encoder].weights(), **models.sha256}
    return Composition(key, plan, chords, dynamics, aim, seen.cuts, seen.encoder, weights, style)


def play(clip: Path, composition: Composition, options: Options, stem: Path, clock: "Clock") -> Path:
    """Arrange, render and mux a composition into files that begin with `stem`; returns the scored video."""
    paths = {kind: stem.with_name(f"{stem.name}.{suffix}") for kind, suffix in _SUFFIXES.items()}
    duration_s = composition.form.duration_s
    with clock.stage("arrange"):
        midi.write(score_of(composition, seed=options.seed), paths["midi"])
        paths["chords"].write_text(_chord_names(composition))
    with clock.stage("render"):
        mixed = mix.master(
            synthesis.render(paths["midi"], duration_s=duration_s), paths["audio"], duration_s=duration_s
        )
    with clock.stage("mux"):
        scored = mux.mux(clip, paths["audio"], stem.with_name(f"{stem.name}.scored"), duration_s=duration_s)
    told = manifest.build(
        clip,
        composition,
        options,
        sound={"synthesizer": synthesis.synthesizer(), "soundfont": synthesis.find_soundfont().name, **vars(mixed)},
        files=sorted(path.name for path in [*paths.values(), scored]),
        seconds=clock.seconds,
    )
    paths["manifest"].write_text(json.dumps(told, indent=1) + "\n")
    return scored


def score_of(composition: Composition, *, seed: int) -> Score:
    """The notes of a composition, in its own style."""
    return arrange.arrange(
        composition.chords,
        composition.dynamics,
        composition.form,
        styles.parse(composition.style, where="of the manifest"),
        key=composition.key,
        rng=np.random.default_rng([seed, _ARRANGER_DRAW]),
        markers=[Marker(cut.time_s, "cut") for cut in composition.cuts],
    )


def _chord_names(composition: Composition) -> str:
    """The chords in the sounding key as lines of a .lab file."""
    sounding = [chord.transpose(composition.key.shift) for chord in composition.chords]
    form = composition.form
    return lab_lines(sounding, form.steps_s, form.step_ends_s, flats=composition.key.flats)


_SUFFIXES = {"midi": "mid", "audio": "wav", "chords": "chords.lab", "manifest": "json"}


class Models(NamedTuple):
    """The trained models and the sha256 of their weights by name."""

    amt: amt.AMT
    regressor: regressor.Regressor
    sha256: Mapping[str, str]


@lru_cache(maxsize=1)
def load_models() -> Models:
    """The shipped AMT and regressor, read once a process. Raises CheckpointError."""
    writer, writer_file = amt.load()
    player, player_file = regressor.load()
    return Models(writer, player, {"amt": writer_file.sha256, "regressor": player_file.sha256})


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


def _key(options: Options, aim: AffectCurve) -> Key:
    """The wished key; else the mode follows the target's mean valence and the tonic the seed."""
    if options.key is not None:
        return Key.parse(options.key)
    tonic = int(np.random.default_rng([options.seed, _KEY_DRAW]).integers(12))
    return Key(tonic, "major" if aim.valence.mean() >= 0 else "minor")


def _chords(model: amt.AMT, picture: Picture, plan: Form, key: Key, options: Options) -> tuple[Chord, ...]:
    """One chord a step, in C major or A minor."""
    minor, steps = key.mode == "minor", len(plan)
    rules: list[decode.LogitFilter] = [
        decode.OnlyChords(),
        decode.Steer(decode.steering(picture.emotion[0].numpy(), options.strength, minor=minor)),
        decode.Variety(),
        decode.Cadence(steps, minor),
        decode.MaxRepeat(options.max_repeat),
        decode.Temperature(options.temperature),
        decode.TopP(options.top_p),
    ]
    primer = [chord.transpose(-key.shift) for chord in parse_sequence(options.primer)] if options.primer else []
    if len(primer) > steps:
        log.warning("the primer has %d chords, but the clip has room for %d: the rest is left out", len(primer), steps)
    generator = torch.Generator().manual_seed(options.seed)
    return tuple(decode.compose(model, picture, minor=minor, filters=rules, generator=generator, primer=primer))


def _result(output: Output, video: str, duration_s: float, seconds: Mapping[str, float]) -> Result:
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
    )
