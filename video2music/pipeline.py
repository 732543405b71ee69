"""One clip in, a scored clip out: the only module that knows the order of the steps.

`compose` is what command line, page and batches call. It is the flow of docs/architecture.md: features of the video,
form, chords, dynamics, search, score, sound, mix, video, report, manifest. Each step below it is one package; they
exchange the values of `video2music.values`.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import emotion.judge
from emotion.errors import CheckpointError
from emotion.midi import synthesis
from emotion.midi.soundfont import find_soundfont
from emotion.values import EmotionReport
from video2music import features as encoding
from video2music import styles
from video2music.arranging import midi
from video2music.chords import lab_lines
from video2music.composing import chart, manifest
from video2music.composing.composition import Composition
from video2music.composing.draft import Draft, LockedParts, arrange_score, load_models, redraw_section
from video2music.composing.form import MET_S
from video2music.composing.search import NotesJudge, SearchResult, candidate_settings, select_best
from video2music.composing.target import affect_target, check_options
from video2music.media import encode, mux
from video2music.media.clip import probe
from video2music.media.soundtrack import soundtrack
from video2music.mixing import mix
from video2music.options import Options, Result
from video2music.output import atomic_output_dir, claim, files_in
from video2music.values import RandomStream, VideoFeatures

log = logging.getLogger(__name__)

STAGES = ("extract", "form", "chords", "dynamics", "search", "arrange", "render", "mux", "judge")
Progress = Callable[[str, float], None]
"""(stage of STAGES, fraction done)."""

# The judge that reports has no part in the selection, so that its match is no result of optimising for it.
SELECTING_JUDGE, REPORTING_JUDGE = "poolingvq", "adff"

_SUFFIXES = MappingProxyType({
    "midi": "mid",
    "chords": "chords.lab",
    "chart": "chords.txt",
    "lead_sheet": "musicxml",
    "manifest": "json",
    "music": "music.wav",  # the music alone and the mix under the clip's sound: deleted when they are encoded
    "mixed": "under.wav",
    "scored": "scored",  # the muxer appends the container's suffix
})  # fmt: skip


class SoundJudge(Protocol):
    """Reports on the finished sound: emotion.judge.Judge, or a stand-in with the same method."""

    def predict(self, audio: Path) -> EmotionReport:
        """A report on a sound file."""
        ...


class ComposedPiece(NamedTuple):
    """A composition and, where several candidates were compared, the search that selected it."""

    composition: Composition
    search: SearchResult | None = None


class StageTimer:
    """Measures the seconds of each stage and reports progress."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.progress = progress or (lambda stage, fraction: None)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time what happens inside; yields a callback for the fraction done."""
        self.progress(name, 0.0)
        started = time.perf_counter()
        yield lambda fraction: self.progress(name, min(fraction, 1.0))
        self.seconds[name] = round(time.perf_counter() - started, 3)
        self.progress(name, 1.0)


def compose(
    clip: Path | str,
    out: Path | str,
    options: Options | None = None,
    *,
    replay: manifest.Replay | None = None,
    name: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    judge: NotesJudge | None = None,
    reporter: SoundJudge | None = None,
) -> Result:
    """Score one clip into `out/<stem>/` and return what was made.

    A `replay` plays a composition again instead of composing, or composes again all but what it locks; without
    `options` it has its own. Several variants go into `out/<stem>/v1/` and so on; the result is that of the first and
    holds them all. `name` replaces the folder's name. `progress(stage, fraction)` is called during every stage of
    STAGES; what it raises ends the run. The `judge` selects among several candidates, the `reporter` judges the
    finished sound; by default those that ship. Raises UserError with one sentence; no partial file is left under a
    final name.
    """
    clip, options = Path(clip), options or (replay.options if replay else Options())
    _check_request(clip, options, replay)
    probe(clip)  # refuses a file that is no video before anything is made
    # All folders are claimed first: a run of an hour must not fail because the last one is taken.
    numbers = range(1, options.variants + 1) if options.variants > 1 else (None,)
    outputs = [claim(Path(out), clip, name=name, overwrite=overwrite, variant=number) for number in numbers]
    timer, results = StageTimer(progress), []
    features = None if replay and replay.is_unchanged else extract(clip, options, timer)
    for output, variant in zip(outputs, variants(options), strict=True):
        piece = _piece(features, variant, timer, judge, replay)
        duration_s = piece.composition.form.duration_s
        with atomic_output_dir(output) as folder:
            files = _file_names(folder / output.stem, variant.audio_format)
            arrange(piece.composition, variant, files, timer, title=clip.stem)
            sound = render_and_mix(clip, files, duration_s, variant, timer)
            scored = mux_and_encode(clip, files, duration_s, variant, timer)
            report = judge_sound(files["audio"], reporter, timer)
            entries = {"sound": sound, "report": asdict(report) if report else None, "seconds": timer.seconds}
            _write_manifest(clip, piece, variant, files["manifest"], entries)
        # The same names at their final place, to which the temporary folder's files have been moved.
        files = _file_names(output.folder / output.stem, variant.audio_format)
        results.append(
            Result(
                video=output.folder / scored.name,
                stems=output.folder / "stems" if variant.stems else None,
                duration_s=duration_s,
                seconds=dict(timer.seconds),
                report=report,
                audio=files["audio"],
                midi=files["midi"],
                chords=files["chords"],
                chart=files["chart"],
                lead_sheet=files["lead_sheet"],
                manifest=files["manifest"],
            )
        )
    return replace(results[0], variants=tuple(results)) if len(results) > 1 else results[0]


def _check_request(clip: Path, options: Options, replay: manifest.Replay | None) -> None:
    """Refuse what could not be done, before any work. Raises UserError."""
    if replay:
        replay.check_clip(clip)
        replay.check_options(options)
    if replay is None or replay.locks:
        check_options(options, _style_text(options, replay))


def _style_text(options: Options, replay: manifest.Replay | None) -> str:
    """The TOML text of the requested style; of a replay in its own style, the one in the manifest. Raises StyleError.

    A user's style file may have changed or be gone since.
    """
    is_same = replay is not None and replay.options.style == options.style
    return replay.composition.style if replay and is_same else styles.read(options.style)


def variants(options: Options) -> list[Options]:
    """The options of each variant: the first has the requested seed, the others seeds drawn from it."""
    rng = RandomStream.VARIANTS.generator(options.seed)
    seeds = [options.seed, *rng.integers(2**31, size=options.variants - 1).tolist()]
    return [replace(options, seed=seed, variants=1) for seed in seeds]


def extract(clip: Path, options: Options, timer: StageTimer) -> VideoFeatures:
    """Features of the clip, or of as much of it as is scored."""
    with timer.stage("extract") as progress:
        return encoding.extract(clip, encoder=options.encoder, until_s=options.preview_s, progress=progress)


def _piece(
    features: VideoFeatures | None,
    options: Options,
    timer: StageTimer,
    judge: NotesJudge | None,
    replay: manifest.Replay | None,
) -> ComposedPiece:
    """A new composition, or that of a replay: unchanged, with one section drawn again, or around its locked parts."""
    if replay is None:
        assert features is not None
        return compose_piece(features, options, timer=timer, judge=judge)
    if replay.is_unchanged or features is None:
        return ComposedPiece(replay.composition)
    if replay.redraw is not None:
        with timer.stage("chords"):
            stream = RandomStream.REDRAW.generator(options.seed, len(replay.composition.redraws))
            seed = int(stream.integers(2**31))
            return ComposedPiece(redraw_section(replay.composition, replay.redraw, features, options, seed))
    locked, style = LockedParts(replay.composition, replay.locks), _style_text(options, replay)
    return compose_piece(features, options, timer=timer, judge=judge, locked=locked, style=style)


def compose_piece(
    features: VideoFeatures,
    options: Options,
    *,
    timer: StageTimer | None = None,
    judge: NotesJudge | None = None,
    locked: LockedParts | None = None,
    style: str | None = None,
) -> ComposedPiece:
    """Compose for a video's features: begin as many drafts as the options say and let the judge select the best.

    Without a `judge` it is the shipped one; where its weights are missing, one draft is written. What is `locked` of
    an earlier composition is in every draft. `style` is TOML text in place of the options' style.
    """
    timer, style = timer or StageTimer(), style or styles.read(options.style)
    target, models = affect_target(features, options), load_models()
    judge = judge or _shipped_judge(SELECTING_JUDGE) if options.candidates > 1 else None
    settings = candidate_settings(options.seed, options.strength, options.candidates if judge else 1)
    with timer.stage("form"):
        drafts = [
            Draft(features, target, options, style=style, models=models, seed=seed, guidance=guidance, locked=locked)
            for seed, guidance in settings
        ]
    with timer.stage("chords"):
        drafts[0].write_chords(len(drafts[0].form))  # the baseline's; the search writes the others as far as it needs
    with timer.stage("dynamics"):
        for draft in drafts:
            draft.predict_dynamics()
    with timer.stage("search") as progress:
        found = select_best(drafts, judge, target, progress=progress) if judge else None
    return ComposedPiece(found.composition if found else drafts[0].composition(), found)


def arrange(
    composition: Composition, options: Options, files: Mapping[str, Path], timer: StageTimer, *, title: str
) -> None:
    """Arrange the composition into a MIDI file, and write its chords as .lab, text chart and lead sheet."""
    form, key = composition.form, composition.key
    for hit_s, error_ms in zip(options.hits, form.hit_errors_ms, strict=False):
        if abs(error_ms) > 1000 * MET_S:
            log.warning("no downbeat meets the hit at %g s: the nearest is %+.0f ms off", hit_s, error_ms)
    with timer.stage("arrange"):
        midi.write(arrange_score(composition), files["midi"])
        chords = [chord.transpose(key.shift) for chord in composition.final_chords]
        files["chords"].write_text(lab_lines(chords, form.steps_s, form.step_ends_s, flats=key.flats))
        files["chart"].write_text(chart.text(composition), encoding="utf-8")
        chart.musicxml(composition, files["lead_sheet"], title=title)


def render_and_mix(
    clip: Path, files: Mapping[str, Path], duration_s: float, options: Options, timer: StageTimer
) -> dict[str, Any]:
    """Render the MIDI file track by track and mix it, alone and with the clip's own sound; the manifest's entry."""
    with timer.stage("render") as progress:
        stems = synthesis.stems(files["midi"], duration_s=duration_s)
        report = mix.mix(
            _with_progress(stems, len(stems) * duration_s, progress),
            files["music"],
            duration_s=duration_s,
            source=soundtrack(clip),
            mode=options.source,
            under=files["mixed"],
            stems_folder=files["music"].with_name("stems") if options.stems else None,
        )
    return {"synthesizer": synthesis.synthesizer(), "soundfont": find_soundfont().name, **asdict(report)}


def _with_progress(
    stems: Mapping[str, Iterator[synthesis.Samples]], total_s: float, progress: Callable[[float], None]
) -> dict[str, Iterator[synthesis.Samples]]:
    """The same stems; `progress` is called after each block with the fraction rendered of all of them."""
    total, rendered = max(total_s * synthesis.SAMPLE_RATE, 1), 0  # frames of all stems, 1 at least to divide by

    def counted(blocks: Iterator[synthesis.Samples]) -> Iterator[synthesis.Samples]:
        nonlocal rendered
        for block in blocks:
            rendered += len(block)
            progress(rendered / total)
            yield block

    return {name: counted(blocks) for name, blocks in stems.items()}


def mux_and_encode(
    clip: Path, files: Mapping[str, Path], duration_s: float, options: Options, timer: StageTimer
) -> Path:
    """Put the mix, or the music where there is no other sound, under the picture, and encode the music alone."""
    with timer.stage("mux"):
        sound = files["mixed"] if files["mixed"].exists() else files["music"]  # no mix: the clip has no sound to keep
        scored = mux.mux(clip, sound, files["scored"], duration_s=duration_s, until_s=options.preview_s)
        encode.encode_audio(files["music"], files["audio"], kind=options.audio_format, duration_s=duration_s)
        for temporary in ("music", "mixed"):
            files[temporary].unlink(missing_ok=True)
    return scored


def judge_sound(audio: Path, reporter: SoundJudge | None, timer: StageTimer) -> EmotionReport | None:
    """The report on the finished music; None where no judge is given and the weights of the shipped one are missing."""
    with timer.stage("judge"):
        reporter = reporter or _shipped_judge(REPORTING_JUDGE)
        return reporter.predict(audio) if reporter else None


def _shipped_judge(name: str) -> emotion.judge.Judge | None:
    """A judge with the weights that ship, None with a warning where they are missing."""
    try:
        return emotion.judge.load(name)
    except CheckpointError as error:
        log.warning("there is no judge %s: %s", name, error)
        return None


def _write_manifest(clip: Path, piece: ComposedPiece, options: Options, path: Path, entries: Mapping[str, Any]) -> None:
    """Write the manifest, which lists all files in its folder and itself."""
    files = {path.name, *(str(file.relative_to(path.parent)) for file in files_in(path.parent))}
    result = piece.search.to_json() if piece.search else None
    contents = manifest.build(clip, piece.composition, options, search=result, files=sorted(files), **entries)
    path.write_text(json.dumps(contents, indent=1) + "\n")


def _file_names(stem: Path, audio_format: str) -> dict[str, Path]:
    """The path of each kind of file, all of which begin with `stem`."""
    suffixes = {**_SUFFIXES, "audio": audio_format}
    return {kind: stem.with_name(f"{stem.name}.{suffix}") for kind, suffix in suffixes.items()}
