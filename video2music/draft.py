"""A piece under way: what is planned of it, its chords as far as they are written, and how it would sound so far."""

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from emotion.values import AffectCurve
from video2music import arrange, features, form, styles
from video2music.chords import parse_sequence
from video2music.composition import Composition
from video2music.expression import WISHED_TEMPO, Expression, Pull, lean
from video2music.model import amt, decode, regressor
from video2music.model.picture import at_steps, over_stretches
from video2music.target import emotion_rows
from video2music.values import Dynamics, Key, Marker, Options, Score, VideoFeatures

log = logging.getLogger(__name__)

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
    return Models(writer, player, {"amt": writer_file.sha256, "regressor": player_file.sha256})


class Draft:
    """One way to score what was seen. Its form and key are there from the start; then `shape`, then `write`.

    `seed` is of every draw and `pull` says how hard the target `aim` pulls; `style` is TOML text.
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
    ) -> None:
        self.seen, self.aim, self.style, self.seed, self.pull = seen, aim, style, seed, pull
        self.key = _key(options, aim, seed)
        self.form = form.plan(
            seen.duration_s, seen.cuts, arousal=_tempo(aim, pull), style=styles.parse(style, where=options.style)
        )
        self._models = models
        self._picture = at_steps(seen, self.form.steps_s, self.form.step_ends_s, emotion_rows(seen, aim))
        self._places = over_stretches(aim.points, self.form.steps_s, self.form.step_ends_s)
        self._dynamics: Dynamics | None = None
        self._writing = self._begin(options)

    def shape(self) -> None:
        """Set density and loudness of every step."""
        lift = np.stack([lean(name, self._places, self.pull) for name in ("density", "loudness")], axis=1)
        self._dynamics = regressor.dynamics(self._models.regressor, self._picture, lift=lift)

    def write(self, until: int) -> None:
        """Write the chords of the steps before `until`."""
        self._writing.go_on(until)

    def composition(self, steps: int | None = None) -> Composition:
        """The piece, or its first steps, of which there is one at least; what is missing of it is made now."""
        steps = min(steps or len(self.form), len(self.form))
        self.write(steps)
        if self._dynamics is None:
            self.shape()
        assert self._dynamics is not None
        seen, chords = self.seen, tuple(self._writing.chords[:steps])
        watched = features.encoders.ENCODERS.get(seen.encoder)  # rows of a data set were watched by none of ours
        weights = {**({seen.encoder: watched.weights()} if watched else {}), **self._models.sha256}
        dynamics = Dynamics(self._dynamics.density[:steps], self._dynamics.loudness[:steps])
        return Composition(
            self.key, self.form.first(steps), chords, dynamics, self.aim, seen.cuts, seen.encoder, weights, self.style,
            self.seed, self.pull,
        )  # fmt: skip

    def _begin(self, options: Options) -> decode.Writing:
        """The chords to come, in C major or A minor, under the rules of the options."""
        minor, steps = self.key.mode == "minor", len(self.form)
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
        primer = (
            [chord.transpose(-self.key.shift) for chord in parse_sequence(options.primer)] if options.primer else []
        )
        if len(primer) > steps:
            log.warning(
                "the primer has %d chords, but the clip has room for %d: the rest is left out", len(primer), steps
            )
        generator = torch.Generator().manual_seed(self.seed)
        return decode.Writing(
            self._models.amt, self._picture, minor=minor, filters=rules, generator=generator, primer=primer
        )


def score_of(composition: Composition) -> Score:
    """The notes of a composition, in its own style."""
    grid = composition.form
    places = over_stretches(composition.target.points, grid.steps_s, grid.step_ends_s)
    return arrange.arrange(
        composition.chords,
        composition.dynamics,
        grid,
        styles.parse(composition.style, where="of the manifest"),
        key=composition.key,
        rng=np.random.default_rng([composition.seed, _ARRANGER_DRAW]),
        markers=[Marker(cut.time_s, "cut") for cut in composition.cuts],
        expression=Expression.of(places, composition.pull),
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
