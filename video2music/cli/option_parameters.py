"""The options of a piece on the command line: parameters made from their specs, and what was given in them.

Used by `generate`, `batch` and its jobs tables. Values are keyed by the names that `Options` has.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from video2music.errors import OptionError
from video2music.options import SPECS, Options, OptionSpec

if TYPE_CHECKING:
    from video2music.composing.manifest import Replay


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose **keywords are the options of a piece, with the signature that typer makes parameters from."""
    own = [one for one in inspect.signature(command).parameters.values() if one.kind is not one.VAR_KEYWORD]
    parameters = [one.replace(kind=one.KEYWORD_ONLY) for one in own] + [_parameter(spec) for spec in SPECS.values()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _parameter(spec: OptionSpec) -> inspect.Parameter:
    kind: Any = str if spec.read else spec.kind
    if spec.repeats:
        kind = list[kind]
    default = None if spec.repeats else spec.default
    declared = typer.Option(spec.flag, metavar=spec.metavar, help=spec.help, rich_help_panel=spec.group)
    optional: Any = kind if default is not None else kind | None
    annotation: Any = Annotated[optional, declared]
    return inspect.Parameter(spec.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


class OptionsCommand(TyperCommand):
    """A command with options of a piece, whose names and ranges are looked up only when its help is shown."""

    def format_help(self, *arguments: Any) -> None:
        """Print the help."""
        for parameter in self.params:
            if parameter.name in SPECS:
                parameter.help = SPECS[parameter.name].full_help  # type: ignore[attr-defined]
        super().format_help(*arguments)


def given_options(context: typer.Context) -> set[str]:
    """The options that stand on the command line, so that their values are no defaults."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"} & SPECS.keys()


def parsed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the parameters of `with_options` were given, as `Options` takes it. Raises OptionError."""
    values = {}
    for name, given in arguments.items():
        spec = SPECS[name]
        if spec.read:
            values[name] = None if given is None else spec.read(given)
        else:
            values[name] = tuple(given or ()) if spec.repeats else given
    return values


def absolute_paths(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The values with files as absolute paths; a relative one begins in `folder`."""
    found = dict(values)
    for spec in SPECS.values():
        given = found.get(spec.name)
        if spec.is_path and given and given not in spec.names:
            path = (folder / given).absolute()
            # where names are known, text that is neither name nor file is a misspelt name and stays as it was typed
            found[spec.name] = str(path) if path.is_file() or not spec.names else given
    return found


def replaced_by(given: Collection[str]) -> dict[str, Any]:
    """The options that the given ones take the place of, each with its default: a named emotion removes a curve."""
    names = {name for option in given for name in SPECS[option].replaces}.difference(given)
    return {name: SPECS[name].default for name in names}


def replay_scope(replay: "Replay") -> set[str]:
    """The options that may still be chosen for an existing piece, by how much of it is redrawn."""
    if replay.locks:
        return {spec.name for spec in SPECS.values() if spec.kept_with not in replay.locks}
    scopes = ("files",) if replay.redraw is None else ("files", "section")
    return {spec.name for spec in SPECS.values() if spec.scope in scopes}


def options_of_replay(values: Mapping[str, Any], given: Collection[str], replay: "Replay | None") -> Options:
    """All values as options; with a replay its own options, but for those that are `given`. Raises UserError."""
    if replay is None:
        return Options(**values)
    if not replay.locks and (stray := sorted(set(given) - replay_scope(replay))):
        raise OptionError(
            f"--from plays a piece again as it was, so it takes no {SPECS[stray[0]].flag}: leave that out, or say with "
            "--lock what shall stay"
        )
    return replace(replay.options, **replaced_by(given), **{name: values[name] for name in given})


def check(options: Options, style: str | None = None) -> None:
    """Refuse before anything starts what every clip would be refused for; `style` is TOML text. Raises UserError."""
    from video2music import styles
    from video2music.composing import target

    target.check_options(options, style or styles.read(options.style))
