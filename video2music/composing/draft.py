"""A piece under way: what is planned of it, its chords as far as they are written, and how it would sound so far."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from emotion.values import AffectCurve
from video2music import features
from video2music.arranging import accompaniment, arrange
from video2music.arranging.expression import WISHED_TEMPO, Expression, Pull, lean
from video2music.chords import Chord, parse_sequence
from video2music.composing import form
from video2music.composing.composition import Composition, Take
from video2music.composing.target import emotion_rows, silent, styled
from video2music.model import amt, decode, regressor
from video2music.model.video import at_steps, over_stretches
from video2music.options import Options
from video2music.values import Dynamics, Form, Key, Marker, Score, VideoFeatures

log = logging.getLogger(__name__)

EARLY_S = 0.02  # a note that a player strikes this early belongs to what it leads into
INTENSITY = 1.2  # standard deviations of MuVi-Sync's density and loudness that the whole of it adds
LOCKS = ("chords", "form")  # what of an earlier composition can stay while the rest is drawn anew
_KEY_DRAW, _ARRANGER_DRAW = 1, 2  # each draw has a stream of its own under the one seed


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
    return Models(
        writer, player, {"amt": writer_file.sha256, "regressor": player_file.sha256, **accompaniment.weights()}
    )


class Kept(NamedTuple):
    """What of an earlier composition stays in a new one: any of LOCKS. Locked chords bring their key."""

    before: Composition
    locks: frozenset[str]

    @property
    def key(self) -> Key | None:
        """The key, where chords stay."""
        return self.before.key if "chords" in self.locks else None

    @property
    def form(self) -> Form | None:
        """The grid, where it stays."""
        return self.before.form if "form" in self.locks else None

    def chords(self, grid: Form) -> list[Chord]:
        """The chords that stay, by step of a grid: those that sounded in the middle of each step; none if they go."""
        if "chords" not in self.locks:
            return []
        middles_s = (grid.steps_s + grid.step_ends_s) / 2
        places = np.searchsorted(self.before.form.steps_s, middles_s, side="right") - 1
        return [self.before.sounding[place] for place in places]


class Draft:
    """One way to score what was seen. Its form and key are there from the start; then `shape`, then `write`.

    `seed` is of every draw and `pull` says how hard the target `aim` pulls; `style` is TOML text. `kept` is what stays
    of an earlier piece, and `opening` are the first chords, in C major or A minor.
    """

    def __init__(
        self,
        seen: VideoFeatures,
        aim: AffectCurve,
        options: Options,
        *,
        style: str,
        models: Models,
        seed: int,
        pull: Pull,
        kept: Kept | None = None,
        opening: Sequence[Chord] | None = None,
    ) -> None:
        self.seen, self.aim, self.style, self.seed, self.pull = seen, aim, style, seed, pull
        self._options = options
        self.key = (kept and kept.key) or _key(options, aim, seed)
        self.form = (kept and kept.form) or _plan(seen, aim, pull, style, options)
        self._models = models
        self._picture = at_steps(seen, self.form.steps_s, self.form.step_ends_s, emotion_rows(seen, aim))
        self._places = over_stretches(aim.points, self.form.steps_s, self.form.step_ends_s)
        self._dynamics: Dynamics | None = None
        self._writing = self._begin(kept.chords(self.form) if kept and opening is None else opening or ())

    def shape(self) -> None:
        """Set density and loudness of every step."""
        lift = np.stack([lean(name, self._places, self.pull) for name in ("density", "loudness")], axis=1)
        lift += INTENSITY * self._options.intensity
        self._dynamics = regressor.dynamics(self._models.regressor, self._picture, lift=lift)

    def write(self, until: int) -> None:
        """Write the chords of the steps before `until`."""
        self._writing.go_on(until)

    @property
    def chords(self) -> tuple[Chord, ...]:
        """Those that are written, in C major or A minor."""
        return tuple(self._writing.chords)

    def composition(self, steps: int | None = None) -> Composition:
        """The piece, or its first steps, of which there is one at least; what is missing of it is made now."""
        steps = min(steps or len(self.form), len(self.form))
        self.write(steps)
        if self._dynamics is None:
            self.shape()
        assert self._dynamics is not None
        seen, chords = self.seen, self.chords[:steps]
        watched = features.encoders.ENCODERS.get(seen.encoder)  # rows of a data set were watched by none of ours
        weights = {**({seen.encoder: watched.weights()} if watched else {}), **self._models.sha256}
        dynamics = Dynamics(self._dynamics.density[:steps], self._dynamics.loudness[:steps])
        return Composition(
            self.key, self.form.first(steps), chords, dynamics, self.aim, seen.cuts, seen.encoder, weights, self.style,
            self.seed, self.pull, self._options.beats_per_bar, silent(self.style, self._options),
        )  # fmt: skip

    def _begin(self, opening: Sequence[Chord]) -> decode.Writing:
        """The chords to come, in C major or A minor, under the rules of the options, after the opening or a primer."""
        options, minor, steps = self._options, self.key.mode == "minor", len(self.form)
        bias = decode.steering(self._picture.emotion[0].numpy(), self.pull.valence, minor=minor)
        bias += decode.brightening(lean("brightness", self._places, self.pull), minor=minor)
        rules: list[decode.LogitFilter] = [
            decode.OnlyChords(),
            decode.Steer(bias),
            decode.Staying(torch.from_numpy(lean("staying", self._places, self.pull)).float()),
            decode.Variety(),
            decode.Cadence(steps, minor),
            decode.MaxRepeat(options.max_repeat),
            decode.Temperature(options.temperature),
            decode.TopP(options.top_p),
        ]
        primer = opening or self._primer()
        generator = torch.Generator().manual_seed(self.seed)
        return decode.Writing(
            self._models.amt, self._picture, minor=minor, filters=rules, generator=generator, primer=primer
        )

    def _primer(self) -> list[Chord]:
        """The wished first chords, in C major or A minor."""
        wished, steps = parse_sequence(self._options.primer) if self._options.primer else [], len(self.form)
        if len(wished) > steps:
            log.warning(
                "the primer has %d chords, but the clip has room for %d: the rest is left out", len(wished), steps
            )
        return [chord.transpose(-self.key.shift) for chord in wished]


def redrawn(composition: Composition, section: int, seen: VideoFeatures, options: Options, seed: int) -> Composition:
    """The composition with the chords and the playing of one section, counted from 1, drawn anew.

    Everything else stays, note for note. Raises OptionError.
    """
    steps = composition.steps(section)
    before = composition.sounding[: steps.start]
    draft = Draft(
        seen, composition.target, options, style=composition.style, models=load_models(), seed=seed,
        pull=composition.pull, kept=Kept(composition, frozenset(LOCKS)), opening=before,
    )  # fmt: skip
    draft.write(steps.stop)
    take = Take(section, seed, draft.chords[steps])
    return replace(composition, takes=(*composition.takes, take))


def score_of(composition: Composition) -> Score:
    """The notes of a composition, in its own style, with the sections of its takes in their place."""
    score = _arranged(composition, composition.chords, composition.seed)
    for count, take in enumerate(composition.takes, start=1):
        chords = replace(composition, takes=composition.takes[:count]).sounding
        steps, form = composition.steps(take.section), composition.form
        span_s = float(form.steps_s[steps.start]), float(form.step_ends_s[steps.stop - 1])
        score = spliced(score, _arranged(composition, chords, take.seed), *span_s)
    return score


def _arranged(composition: Composition, chords: Sequence[Chord], seed: int) -> Score:
    grid = composition.form
    places = over_stretches(composition.target.points, grid.steps_s, grid.step_ends_s)
    return arrange.arrange(
        chords,
        composition.dynamics,
        grid,
        styled(composition.style, composition.beats_per_bar, composition.without, where="of the manifest"),
        key=composition.key,
        rng=np.random.default_rng([seed, _ARRANGER_DRAW]),
        markers=[Marker(cut.time_s, "cut") for cut in composition.cuts],
        expression=Expression.of(places, composition.pull),
    )


def spliced(one: Score, other: Score, start_s: float, end_s: float) -> Score:
    """One score with the notes and pedals of another, by the same instruments, from start_s until end_s.

    What sounds from before into the new stretch ends where that begins, and what sounds in it ends with it.
    """
    end_s = math.inf if end_s >= one.duration_s else end_s
    tracks = []
    for mine, theirs in zip(one.tracks, other.tracks, strict=True):
        kept = [note for note in mine.notes if not start_s <= note.start_s + EARLY_S < end_s]
        kept = [replace(n, end_s=min(n.end_s, start_s)) if n.start_s < start_s - EARLY_S else n for n in kept]
        new = [note for note in theirs.notes if start_s <= note.start_s + EARLY_S < end_s]
        new = [replace(note, end_s=min(note.end_s, end_s)) for note in new]
        pedals = [p for p in mine.pedals if not start_s <= p.time_s < end_s]
        pedals += [p for p in theirs.pedals if start_s <= p.time_s < end_s]
        tracks.append(
            replace(mine, notes=tuple(sorted(kept + new)), pedals=tuple(sorted(pedals, key=lambda p: p.time_s)))
        )
    return replace(one, tracks=tuple(tracks))


def _plan(seen: VideoFeatures, aim: AffectCurve, pull: Pull, style: str, options: Options) -> Form:
    return form.plan(
        seen.duration_s,
        seen.cuts,
        arousal=_tempo(aim, pull),
        style=styled(style, options.beats_per_bar, (), where=options.style),
        hits=options.hits,
        tempo=options.tempo,
    )


def _key(options: Options, aim: AffectCurve, seed: int) -> Key:
    """The wished key; else the mode follows the target's mean valence and the tonic the seed."""
    if options.key is not None:
        return Key.parse(options.key)
    tonic = int(np.random.default_rng([seed, _KEY_DRAW]).integers(12))
    return Key(tonic, "major" if aim.valence.mean() >= 0 else "minor")


def _tempo(aim: AffectCurve, pull: Pull) -> float:
    """Where the tempo lies in the style's range, -1..1, or a little beyond where the feeling was wished for."""
    wanted = float(lean("tempo", aim.points.mean(0, keepdims=True), pull)[0])
    return wanted if aim.source == "picture" else wanted * WISHED_TEMPO
