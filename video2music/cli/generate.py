"""`video2music generate`: score clips.

`video2music demo`: the whole way on a clip that the program draws itself.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotion.affect import PLACES
from emotion.cli.output import JsonOption, failing_plainly, plain, progress_bar, sentence, write_json
from video2music.errors import OptionError
from video2music.options import AUDIO_FORMATS, Options, read_metre, read_tempo

if TYPE_CHECKING:
    from video2music.composing.manifest import Replay


DEFAULT = Options()


def generate(
    context: typer.Context,
    clips: Annotated[list[Path] | None, typer.Argument(metavar="CLIP...", help="Videos to score.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Each clip gets DIR/<its name>/.")] = Path(
        "out"
    ),
    encoder: Annotated[str, typer.Option(help="clip, clip-small, color, or auto: the best on this machine.")] = "auto",
    key: Annotated[
        str | None, typer.Option(help="As in 'A minor'. Default: mode from the mood, tonic from the seed.")
    ] = None,
    primer: Annotated[str | None, typer.Option(help="First chords in that key, as in 'Am F C G'.")] = None,
    emotion: Annotated[str | None, typer.Option(help=f"Instead of the picture's: {', '.join(PLACES)}.")] = None,
    valence: Annotated[float | None, typer.Option(help="-1 unpleasant to 1 pleasant, with --arousal.")] = None,
    arousal: Annotated[float | None, typer.Option(help="-1 calm to 1 excited, with --valence.")] = None,
    curve: Annotated[str | None, typer.Option(metavar="FILE.csv", help="Columns t_s,valence,arousal.")] = None,
    strength: Annotated[float, typer.Option(help="How hard the mood pulls the music, 0 to 1.")] = DEFAULT.strength,
    seed: Annotated[int, typer.Option(help="Another seed, another piece.")] = DEFAULT.seed,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest chords, above 1 dares.")
    ] = DEFAULT.temperature,
    candidates: Annotated[
        int, typer.Option(help="Pieces to begin, of which a judge keeps the one that feels right; 1: no choice.")
    ] = DEFAULT.candidates,
    style: Annotated[str, typer.Option(help="A style's name or the path of a TOML file.")] = DEFAULT.style,
    tempo: Annotated[
        str | None, typer.Option(metavar="BPM", help="Beats a minute, or the slowest and the fastest: 90 or 80-110.")
    ] = None,
    metre: Annotated[str | None, typer.Option(help="Such as 3/4. Default: the style's.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An instrument that plays; may repeat.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An instrument that keeps silent; may repeat.")
    ] = None,
    intensity: Annotated[float, typer.Option(help="-1 sparse and soft to 1 dense and loud.")] = DEFAULT.intensity,
    hit: Annotated[
        list[float] | None, typer.Option(metavar="SECONDS", help="A moment for a downbeat to fall on; may repeat.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(help="The clip's own sound: duck lowers the music under speech, keep lays it beside, replace."),
    ] = DEFAULT.source,
    stems: Annotated[bool, typer.Option("--stems", help="Write every instrument as a file, too.")] = False,
    audio_format: Annotated[
        str, typer.Option(help=f"Of the music: {', '.join(AUDIO_FORMATS)}.")
    ] = DEFAULT.audio_format,
    preview: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Score only the beginning, as a short piece of its own.")
    ] = None,
    variants: Annotated[int, typer.Option(help="Pieces to make, in v1/, v2/ and so on.")] = DEFAULT.variants,
    manifest: Annotated[
        Path | None, typer.Option("--from", metavar="MANIFEST", help="Play the piece of a former run's .json again.")
    ] = None,
    lock: Annotated[
        str | None,
        typer.Option(metavar="PARTS", help="Of --from keep chords, with their key, or form, or both: chords,form."),
    ] = None,
    redraw: Annotated[int | None, typer.Option(metavar="N", help="Of --from draw only section N anew.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what a former run made.")] = False,
    json_file: JsonOption = None,
) -> None:
    """Compose music for each CLIP and put it under the picture.

    Prints the path of each scored video. A clip that fails is told in one sentence on stderr and does not stop the
    others; the exit status is 0 only when all went well.
    """
    with failing_plainly():
        wishes = {
            "encoder": encoder, "key": key, "primer": primer, "emotion": emotion, "valence": valence,
            "arousal": arousal, "curve": curve, "strength": strength, "seed": seed, "temperature": temperature,
            "candidates": candidates, "style": style, "tempo": read_tempo(tempo), "beats_per_bar": read_metre(metre),
            "only": tuple(only or ()), "without": tuple(without or ()), "intensity": intensity,
            "hits": tuple(hit or ()), "source": source, "stems": stems, "audio_format": audio_format,
            "preview_s": preview, "variants": variants,
        }  # fmt: skip
        replay = _replay(manifest, lock, redraw)
        options = options_of_replay(wishes, given_options(context), replay)
        clips = clips or ([replay.clip] if replay else [])
        if not clips:
            raise OptionError("no clip was given: name at least one video, or a manifest with --from")
        rows = _score_all(clips, out, options, replay, overwrite=overwrite, quiet=json_file == "-")
        write_json(json_file, {"clips": rows})
    if any("error" in row for row in rows):
        raise typer.Exit(1)


# The parameters above that stand for an option of another name.
OPTION_OF = MappingProxyType({"metre": "beats_per_bar", "hit": "hits", "preview": "preview_s"})
# What a piece that is played again, whole or but for a section, may still be wished for: how it is put to use.
OF_A_REPLAY = frozenset({"source", "stems", "audio_format"})
OF_A_SECTION = OF_A_REPLAY | {"seed", "temperature", "variants"}


# Wishes of the earlier piece that a new one takes the place of.
INSTEAD_OF = MappingProxyType({
    "style": ("only", "without"),
    "only": ("without",),
    "without": ("only",),
    "emotion": ("valence", "arousal", "curve"),
    "valence": ("emotion", "curve"),
    "arousal": ("emotion", "curve"),
    "curve": ("emotion", "valence", "arousal"),
})  # fmt: skip


def given_options(context: typer.Context) -> set[str]:
    """The options that stand on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    return {OPTION_OF.get(name, name) for name in given} & {field.name for field in fields(Options)}


def _replay(path: Path | None, lock: str | None, redraw: int | None) -> "Replay | None":
    """What is to be played again, None without a manifest."""
    if path is None:
        if lock or redraw is not None:
            raise OptionError("--lock and --redraw need the piece they are about: name its manifest with --from")
        return None
    from video2music.composing import manifest

    locks = frozenset(part.strip() for part in lock.split(",")) if lock else frozenset()
    return replace(manifest.read(path), locks=locks, redraw=redraw)


def options_of_replay(wishes: dict[str, Any], given: set[str], replay: "Replay | None") -> Options:
    """The wishes, or those of a piece that is played again with what may be wished for anew."""
    if replay is None:
        return Options(**wishes)
    if not replay.locks:
        allowed = OF_A_REPLAY if replay.redraw is None else OF_A_SECTION
        if stray := sorted(given - allowed):
            raise OptionError(
                f"--from plays a piece again as it was, so it takes no {_spelt(stray[0])}: leave that out, or say with "
                "--lock what shall stay"
            )
    gone = {name for wish in given for name in INSTEAD_OF.get(wish, ())} - given
    cleared = {name: getattr(DEFAULT, name) for name in gone}
    return replace(replay.options, **cleared, **{name: wishes[name] for name in given})


def _spelt(option: str) -> str:
    """An option as it stands on the command line."""
    return "--" + {name: spelt for spelt, name in OPTION_OF.items()}.get(option, option).replace("_", "-")


def _score_all(
    clips: Sequence[Path], out: Path, options: Options, replay: "Replay | None", *, overwrite: bool, quiet: bool
) -> list[dict[str, Any]]:
    """A row for each clip: what was made, or the sentence that says why not."""
    from video2music.output import names, stem_of
    from video2music.pipeline import compose

    rows = []
    for clip, name in zip(clips, names(clips), strict=True):
        row: dict[str, Any] = {"clip": str(clip)}
        try:
            with progress_bar(clip.name) as tell:
                result = compose(
                    clip,
                    out,
                    options,
                    replay=replay,
                    name=None if name == stem_of(clip) else name,
                    overwrite=overwrite,
                    progress=tell,
                )
            row |= plain(result)
        except Exception as error:  # one bad clip never stops the others
            row["error"] = sentence(error)
            typer.echo(f"error: {row['error']}", err=True)
        else:
            for made in () if quiet else result.variants or (result,):
                typer.echo(made.video)
        rows.append(row)
    return rows


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The result goes to DIR/demo/.")] = Path(
        "out"
    ),
    seed: Annotated[int, typer.Option(help="Another seed, another piece.")] = 0,
    json_file: JsonOption = None,
) -> None:
    """Draw a clip of three scenes, score it and say where the result lies."""
    with failing_plainly():
        from video2music.demo import score

        with progress_bar("demo") as tell:
            result = score(out, seed=seed, progress=tell)
        write_json(json_file, {"clips": [plain(result)]})
        if json_file != "-":
            typer.echo(f"scored video  {result.video}")
            typer.echo(f"music         {result.audio}")
            typer.echo(f"MIDI          {result.midi}")
