"""How a command is run: --device, --weights and --soundfont, for the commands of `emotion` and of `video2music`.

`runtime.configure` puts them into environment variables, so that worker processes have them as well.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from emotion import runtime
from emotion.cli.output import failing_plainly

PANEL = "Run settings"  # heading in the help
_ANNOTATIONS = MappingProxyType({
    "device": Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Device of the models: {', '.join(runtime.DEVICES)}. Default: {runtime.DEVICE_VARIABLE}, or auto.",
            rich_help_panel=PANEL,
        ),
    ],
    "weights": Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Weights to use in place of those that ship, in a folder for each model. "
            f"Default: {runtime.WEIGHTS_VARIABLE}.",
            rich_help_panel=PANEL,
        ),
    ],
    "soundfont": Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.sf2",
            help=f"SoundFont to render with. Default: {runtime.SOUNDFONT_VARIABLE}, or the best that is installed.",
            rich_help_panel=PANEL,
        ),
    ],
})  # fmt: skip


def with_run_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command these settings as options, all of them by default, and has them configured before it runs."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        settings = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_ANNOTATIONS[name])
            for name in names or _ANNOTATIONS
        ]

        @wraps(command)
        def configured(**arguments: Any) -> None:
            chosen = {one.name: arguments.pop(one.name) for one in settings}
            with failing_plainly():
                runtime.configure(**chosen)
            command(**arguments)

        own = [one.replace(kind=one.KEYWORD_ONLY) for one in inspect.signature(command).parameters.values()]
        configured.__signature__ = inspect.Signature([*own, *settings])  # type: ignore[attr-defined]
        configured.__annotations__ = {one.name: one.annotation for one in (*own, *settings)}
        return configured

    return decorate
