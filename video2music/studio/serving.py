"""How the page is served: host, limits, queue, and what of Gradio is switched off.

Gradio itself is not imported here: the page is handed in. `prepare` comes before any part of a page is made, because
each part remembers where files go; then `blocks`, `work` and at last `serve`.
"""

import argparse
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from emotion.runtime import available_cores
from video2music.errors import OptionError
from video2music.features.cache import cache_folder
from video2music.media import clip
from video2music.studio.request_filter import RequestFilter
from video2music.studio.runs import DAY_S, FEATURES, Runs
from video2music.studio.uploads import MEGABYTE, STANDARD, Limits

log = logging.getLogger(__name__)

HOUR_S, MINUTE_S = 3600.0, 60.0
SHORTEST_KEPT_S = HOUR_S  # nothing must vanish while it is worked on, which may write no file for a while
VISITORS = 1000  # whose state is kept in memory


@dataclass(frozen=True)
class Settings:
    """How a page is served, each with its default.

    host, port   where it listens; None is the first free port from 7860 on
    root         folder of its own for runs and uploads; None is `studio` in the user's cache
    queue        how many requests may wait; the next one is refused with a sentence
    workers      how many jobs run at the same time, and how many clips are analysed beside; they share the cores
    keep_s       seconds after which a run or upload that nobody touched is deleted
    limits       of what is handed in
    api          whether programs may use the page's functions over plain HTTP
    root_path    where the page hangs behind another server, as in /studio

    Raises OptionError.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    root: Path | None = None
    queue: int = 8
    workers: int = 1
    keep_s: float = DAY_S
    limits: Limits = STANDARD
    api: bool = True
    root_path: str = ""

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            given = getattr(self, name)
            if given is not None and not low <= given <= high:
                raise OptionError(f"{name} must lie between {low:g} and {high:g}, but is {given:g}")
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise OptionError(f"the root path begins with / and does not end with it, unlike {self.root_path!r}")

    @property
    def folder(self) -> Path:
        """Where runs and uploads lie."""
        return (self.root or cache_folder() / "studio").absolute()


_RANGES = (
    ("port", 0, 65535),
    ("queue", 1, 1000),
    ("workers", 1, 64),
    ("keep_s", SHORTEST_KEPT_S, 366 * DAY_S),
)


class _Option(NamedTuple):
    """A row of the table of options: how it is written, what it is, and what it changes in the settings."""

    flag: str
    kind: Callable[[str], Any]
    sets: Callable[[Settings, Any], Settings]
    help: str


def _field(name: str, unit: float = 1) -> Callable[[Settings, Any], Settings]:
    return lambda settings, given: replace(settings, **{name: given if unit == 1 else given * unit})


def _limit(name: str, unit: float) -> Callable[[Settings, Any], Settings]:
    kind = {field.name: type(getattr(STANDARD, field.name)) for field in fields(Limits)}[name]

    def put(settings: Settings, given: float) -> Settings:
        value = given * unit
        changed: dict[str, Any] = {name: kind(value) if 0 < value < math.inf else value}
        return replace(settings, limits=replace(settings.limits, **changed))

    return put


def _options() -> tuple[_Option, ...]:
    return (
        _Option("--host", str, _field("host"), "address to listen on; 0.0.0.0 is all of this machine's [127.0.0.1]"),
        _Option("--port", int, _field("port"), "port to listen on [the first free one from 7860 on]"),
        _Option("--root", Path, _field("root"), "folder of the page's own for runs and uploads [in the user's cache]"),
        _Option("--queue", int, _field("queue"), "requests that may wait; further ones are refused for now [8]"),
        _Option("--workers", int, _field("workers"), "jobs that run at the same time, sharing the cores [1]"),
        _Option("--keep-hours", float, _field("keep_s", HOUR_S), "age at which runs and uploads are deleted [24]"),
        _Option("--clip-mb", float, _limit("clip_bytes", MEGABYTE), "largest clip in megabytes [500]"),
        _Option("--clip-minutes", float, _limit("clip_s", MINUTE_S), "longest clip in minutes [10]"),
        _Option("--root-path", str, _field("root_path"), "where the page hangs behind another server, as in /studio"),
    )


def read(
    arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None, *, program: str | None = None
) -> Settings:
    """Settings from a command line; what is not on it may be in the environment, as V2M_STUDIO_PORT for --port.

    `--help` and a wrong option end the program, as argparse does. Raises OptionError at values that make no sense.
    """
    environment = os.environ if environment is None else environment
    parser = argparse.ArgumentParser(
        prog=program,
        description="Serve the page.",
        epilog="Each option may be set in the environment: V2M_STUDIO_PORT for --port.",
    )
    for option in _options():
        parser.add_argument(option.flag, type=option.kind, help=option.help, default=None)
    parser.add_argument("--no-api", action="store_true", help="close the routes for programs; the page needs none")
    preset = [word for option in _options() for word in _from(environment, option.flag)]
    given = parser.parse_args([*preset, *arguments])
    settings = Settings(api=not (given.no_api or environment.get("V2M_STUDIO_NO_API")))
    for option in _options():
        value = getattr(given, option.flag[2:].replace("-", "_"))
        settings = settings if value is None else option.sets(settings, value)
    return settings


def _from(environment: Mapping[str, str], flag: str) -> tuple[str, ...]:
    value = environment.get(f"V2M_STUDIO_{flag[2:].replace('-', '_').upper()}")
    return (f"{flag}={value}",) if value else ()


def prepare(settings: Settings) -> Runs:
    """Make the root, send all that is written below it, share out the threads, and clean from now on.

    To be called before any part of a page is made. Raises OptionError.
    """
    kept = Runs(settings.folder, keep_s=settings.keep_s)
    os.environ.update(environment(kept.root))
    _share_threads(settings.workers)
    kept.clean_in_background()
    return kept


def environment(root: Path) -> dict[str, str]:
    """What we and Gradio read from the environment: where files go, and that nothing is reported to anybody."""
    return {
        "V2M_FEATURES": str(root / FEATURES),
        "GRADIO_TEMP_DIR": str(root),
        "GRADIO_EXAMPLES_CACHE": str(root / "examples"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ALLOWED_PATHS": "",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _share_threads(workers: int) -> None:
    """Let each of several workers have its part of the cores; one alone has them all, as torch does by itself.

    To be set before torch and the speech detector are imported, with the first job: the latter asks for four threads
    whatever the machine has, unless OMP_THREAD_LIMIT holds it back.
    """
    share = max(1, available_cores() // workers)
    os.environ.setdefault("OMP_THREAD_LIMIT", str(share))
    if workers == 1:
        return
    os.environ.setdefault("OMP_NUM_THREADS", str(share))
    clip.set_decoder_threads(share)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(share)


def blocks(settings: Settings) -> dict[str, Any]:
    """Arguments for gr.Blocks. Its `delete_cache` is left out: all that it would delete has its age here."""
    return {"analytics_enabled": False}


def work(settings: Settings) -> dict[str, Any]:
    """Arguments for an event that computes: all of them share the workers."""
    return {"concurrency_id": "work", "concurrency_limit": settings.workers}


def launch(settings: Settings) -> dict[str, Any]:
    """Arguments for a page's launch."""
    return {
        "server_name": settings.host,
        "server_port": settings.port,
        "root_path": settings.root_path or None,
        "max_file_size": settings.limits.largest,
        "state_session_capacity": VISITORS,
        "footer_links": ["api"] if settings.api else [],
        "app_kwargs": {
            "middleware": [_request_filter(settings)],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
        **dict.fromkeys(_NEVER, False),
    }


_NEVER = ("share", "enable_monitoring", "run_history", "mcp_server", "pwa", "ssr_mode", "show_error")


def _request_filter(settings: Settings) -> Any:
    from starlette.middleware import Middleware

    return Middleware(
        RequestFilter,
        kept=Runs(settings.folder, keep_s=settings.keep_s),
        limits=settings.limits,
        queue=settings.queue,
        api=settings.api,
        prefix=settings.root_path,
    )


def serve(page: Any, settings: Settings, **options: Any) -> None:
    """Serve a page, a gr.Blocks, until it is stopped; `options` are those of its launch, and go before ours."""
    page.queue(max_size=settings.queue, default_concurrency_limit=settings.workers, api_open=False)
    page.launch(**{**launch(settings), **options})
