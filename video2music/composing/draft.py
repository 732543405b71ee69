"""A draft: one candidate piece for a video, planned, with chords written as far as asked for; and its arrangement.

`pipeline` begins one draft for each candidate, `search` writes and compares them. `Draft.composition` freezes a draft,
whole or its first steps, and `arrange_score` turns a composition into notes. Chords are in C major or A minor until
they are arranged.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.checkpoint import weights_folder
from emotion.runtime import resolve_device
from emotion.values import AffectCurve
from video2music import features as encoding
from video2music.arranging import accompaniment, arrange
from video2music.arranging.expression import REQUESTED_TEMPO, Expression, Guidance, affect_offset
from video2music.chords import Chord, parse_sequence
from video2music.composing import form
from video2music.composing.composition import Composition, SectionRedraw
from video2music.composing.target import adapted_style, emotion_rows, silent_instruments
from video2music.model import amt, decode, regressor
from video2music.model.video import interval_means, resample_to_steps
from video2music.options import Options
from video2music.values import Dynamics, Form, Key, Marker, RandomStream, Score, VideoFeatures

log = logging.getLogger(__name__)

EARLY_S = 0.02  # a note played this early, as humans do, still belongs to the section that it leads into
INTENSITY_SCALE = 1.2  # standard deviations of MuVi-Sync's density and loudness that an intensity of 1 adds
LOCKS = ("chords", "form")  # parts of an earlier composition that can stay while the rest is composed again


class Models(NamedTuple):
    """The trained models, the device they are on, and the sha256 of their weights by name."""

    amt: amt.AMT
    regressor: regressor.Regressor
    device: torch.device
    weights_sha256: Mapping[str, str]


def load_models() -> Models:
    """AMT and regressor, loaded once a process for each folder of weights and device. Raises CheckpointError."""
    return _load_models(weights_folder(amt.WEIGHTS), weights_folder(regressor.WEIGHTS), resolve_device())


@lru_cache(maxsize=2)
def _load_models(amt_folder: Path, regressor_folder: Path, device: torch.device) -> Models:
    chord_model, chord_checkpoint = amt.load(amt_folder, device=device)
    dynamics_model, dynamics_checkpoint = regressor.load(regressor_folder, device=device)
    weights = {"amt": chord_checkpoint.sha256, "regressor": dynamics_checkpoint.sha256}
    return Models(chord_model, dynamics_model, device, weights | dict(accompaniment.weights_sha256()))


class LockedParts(NamedTuple):
    """An earlier composition and which of LOCKS stay in a new one. Locked chords bring their key."""

    composition: Composition
    locks: frozenset[str]

    @property
    def key(self) -> Key | None:
        """The key, where chords are locked."""
        return self.composition.key if "chords" in self.locks else None

    @property
    def form(self) -> Form | None:
        """The form, where it is locked."""
        return self.composition.form if "form" in self.locks else None

    def chords(self, grid: Form) -> list[Chord]:
        """The locked chords on the steps of a grid: those at the middle of each step, or none."""
        if "chords" not in self.locks:
            return []
        middles_s = (grid.steps_s + grid.step_ends_s) / 2
        # Middles, because the new form's steps may begin a little before or after the chord that they belong to.
        steps = np.searchsorted(self.composition.form.steps_s, middles_s, side="right") - 1
        return [self.composition.final_chords[step] for step in steps]


class Draft:
    """One candidate piece. It has its form and key from the start; chords and dynamics are written when asked for.

    `style` is TOML text, `seed` is of every random draw, `guidance` says how strongly the target acts. `locked` is what
    stays of an earlier composition; `opening` are the first chords, in C major or A minor, in place of those.
    """

    def __init__(
        self,
        features: VideoFeatures,
        target: AffectCurve,
        options: Options,
        *,
        style: str,
        models: Models,
        seed: int,
        guidance: Guidance,
        locked: LockedParts | None = None,
        opening: Sequence[Chord] | None = None,
    ) -> None:
        self.features, self.target, self.style, self.seed, self.guidance = features, target, style, seed, guidance
        self._options, self._models = options, models
        self.key = (locked and locked.key) or _choose_key(options, target, seed)
        self.form = (locked and locked.form) or _plan_form(features, target, guidance, style, options)
        starts_s, ends_s = self.form.steps_s, self.form.step_ends_s
        self._video = resample_to_steps(features, starts_s, ends_s, emotion_rows(features, target)).to(models.device)
        # (N, 2) valence and arousal of each step
        self._points = interval_means(target.points, starts_s, ends_s).astype(float)
        self._dynamics: Dynamics | None = None
        self._writer = self._chord_writer(locked.chords(self.form) if locked and opening is None else opening or ())

    def _chord_writer(self, opening: Sequence[Chord]) -> decode.ChordWriter:
        """The sampler of the chords, under the rules of the options, after the opening or else the primer."""
        options, minor, steps = self._options, self.key.mode == "minor", len(self.form)
        if not opening and options.primer:
            opening = [chord.transpose(-self.key.shift) for chord in parse_sequence(options.primer)]
            if len(opening) > steps:
                log.warning(
                    "the primer has %d chords, but the clip has room for %d: the rest is left out", len(opening), steps
                )
        chord_bias = decode.emotion_bias(self._video.emotion[0].cpu().numpy(), self.guidance.valence, minor=minor)
        chord_bias += decode.brightness_bias(self._offset("brightness"), minor=minor)
        # Biases come before limits, and what samples last: a limit must hold whatever the biases add.
        filters: list[decode.LogitFilter] = [
            decode.OnlyChords(),
            decode.ChordBias(chord_bias),
            decode.RepeatBias(torch.from_numpy(self._offset("staying")).float()),
            decode.FrequencyPenalty(),
            decode.Cadence(steps, minor),
            decode.MaxRepeat(options.max_repeat),
            decode.Temperature(options.temperature),
            decode.TopP(options.top_p),
        ]
        generator = torch.Generator().manual_seed(self.seed)  # on the CPU, so that every device draws the same
        return decode.ChordWriter(
            self._models.amt, self._video, minor=minor, filters=filters, generator=generator, primer=opening
        )

    def _offset(self, parameter: str) -> NDArray[np.float64]:
        return affect_offset(parameter, self._points, self.guidance)

    def predict_dynamics(self) -> None:
        """Predict density and loudness of every step."""
        offset = np.stack([self._offset("density"), self._offset("loudness")], axis=1)
        offset += INTENSITY_SCALE * self._options.intensity
        self._dynamics = regressor.predict_dynamics(self._models.regressor, self._video, offset=offset)

    def write_chords(self, until: int) -> None:
        """Write the chords of the steps before `until`; those that are written already stay."""
        self._writer.write_until(until)

    @property
    def chords(self) -> tuple[Chord, ...]:
        """The chords written so far, in C major or A minor."""
        return tuple(self._writer.chords)

    def composition(self, steps: int | None = None) -> Composition:
        """The piece, or its first steps, of which there is one at least; what is missing of it is written now."""
        steps = min(steps or len(self.form), len(self.form))
        self.write_chords(steps)
        if self._dynamics is None:
            self.predict_dynamics()
        assert self._dynamics is not None
        encoder = encoding.encoders.ENCODERS.get(self.features.encoder)  # None: features read from a data set
        encoder_weights = {encoder.name: encoder.weights_sha256()} if encoder else {}
        return Composition(
            key=self.key,
            form=self.form.first(steps),
            chords=self.chords[:steps],
            dynamics=Dynamics(self._dynamics.density[:steps], self._dynamics.loudness[:steps]),
            target=self.target,
            cuts=self.features.cuts,
            encoder=self.features.encoder,
            weights={**encoder_weights, **self._models.weights_sha256},
            style=self.style,
            seed=self.seed,
            guidance=self.guidance,
            beats_per_bar=self._options.beats_per_bar,
            without=silent_instruments(self.style, self._options),
        )


def _choose_key(options: Options, target: AffectCurve, seed: int) -> Key:
    """The requested key; else the mode follows the target's mean valence and the tonic the seed."""
    if options.key is not None:
        return Key.parse(options.key)
    tonic = int(RandomStream.KEY.generator(seed).integers(12))
    return Key(tonic, "major" if target.valence.mean() >= 0 else "minor")


def _plan_form(features: VideoFeatures, target: AffectCurve, guidance: Guidance, style: str, options: Options) -> Form:
    arousal = float(affect_offset("tempo", target.points.mean(0, keepdims=True), guidance)[0])
    return form.plan(
        features.duration_s,
        features.cuts,
        # A requested emotion may take the tempo beyond the style's range, one read from the video may not.
        arousal=arousal if target.source == "picture" else arousal * REQUESTED_TEMPO,
        style=adapted_style(style, options.beats_per_bar, (), where=options.style),
        hits=options.hits,
        tempo=options.tempo,
    )


def redraw_section(
    composition: Composition, section: int, features: VideoFeatures, options: Options, seed: int
) -> Composition:
    """The composition with chords and arrangement of one section, counted from 1, drawn again with another seed.

    Everything else stays, note for note. Raises OptionError.
    """
    steps = composition.steps(section)
    draft = Draft(
        features,
        composition.target,
        options,
        style=composition.style,
        models=load_models(),
        seed=seed,
        guidance=composition.guidance,
        locked=LockedParts(composition, frozenset(LOCKS)),
        opening=composition.final_chords[: steps.start],
    )
    draft.write_chords(steps.stop)
    redraw = SectionRedraw(section, seed, draft.chords[steps])
    return replace(composition, redraws=(*composition.redraws, redraw))


def arrange_score(composition: Composition) -> Score:
    """The notes of a composition, in its own style, with its redrawn sections spliced in."""
    score = _arrange(composition, composition.chords, composition.seed)
    for count, redraw in enumerate(composition.redraws, start=1):
        chords = replace(composition, redraws=composition.redraws[:count]).final_chords
        steps, grid = composition.steps(redraw.section), composition.form
        start_s, end_s = float(grid.steps_s[steps.start]), float(grid.step_ends_s[steps.stop - 1])
        score = splice(score, _arrange(composition, chords, redraw.seed), start_s, end_s)
    return score


def _arrange(composition: Composition, chords: Sequence[Chord], seed: int) -> Score:
    grid = composition.form
    points = interval_means(composition.target.points, grid.steps_s, grid.step_ends_s).astype(float)
    return arrange.arrange(
        chords,
        composition.dynamics,
        grid,
        adapted_style(composition.style, composition.beats_per_bar, composition.without, where="of the manifest"),
        key=composition.key,
        rng=RandomStream.ARRANGER.generator(seed),
        markers=[Marker(cut.time_s, "cut") for cut in composition.cuts],
        expression=Expression.of(points, composition.guidance),
    )


def splice(score: Score, other: Score, start_s: float, end_s: float) -> Score:
    """A score with the notes and pedals of another, by the same instruments, from start_s until end_s.

    Notes of the score that would last into the new section end where that begins, and notes of the new section end
    with it.
    """
    end_s = math.inf if end_s >= score.duration_s else end_s  # of the last section the ring-out, too
    tracks = []
    for track, new in zip(score.tracks, other.tracks, strict=True):
        kept = [note for note in track.notes if not start_s <= note.start_s + EARLY_S < end_s]
        kept = [replace(n, end_s=min(n.end_s, start_s)) if n.start_s < start_s - EARLY_S else n for n in kept]
        added = [note for note in new.notes if start_s <= note.start_s + EARLY_S < end_s]
        added = [replace(note, end_s=min(note.end_s, end_s)) for note in added]
        pedals = [pedal for pedal in track.pedals if not start_s <= pedal.time_s < end_s]
        pedals += [pedal for pedal in new.pedals if start_s <= pedal.time_s < end_s]
        tracks.append(
            replace(
                track,
                notes=tuple(sorted(kept + added)),
                pedals=tuple(sorted(pedals, key=lambda pedal: pedal.time_s)),
            )
        )
    return replace(score, tracks=tuple(tracks))
