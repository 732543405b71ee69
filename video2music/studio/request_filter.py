"""An ASGI filter before Gradio: it passes the page's own routes and files below one root, and no addresses.

Gradio serves more than a page needs: a proxy, files fetched from other hosts, an editor, histories. And a request may
name a file instead of uploading one, by its path or by an address on the net, which Gradio would fetch. Here only what
is in a table passes, whatever the installed Gradio serves beside it. Plain ASGI: see https://asgi.readthedocs.io/.
"""

import json
import re
import shutil
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from video2music.studio import uploads
from video2music.studio.runs import Runs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

API = "/gradio_api"
LARGEST_ASKED = 2_000_000  # bytes of a request that is no upload: the values of a form, with a curve of an hour
_WRAPPING = 10_000  # bytes around a file in the body of an upload
SPARE = 1_000_000_000  # bytes of the disk that uploads leave free

_FILE = re.compile(rf"{API}/file=(?P<path>.+)", re.DOTALL)
_ASKED = rf"{API}/(queue/join|(run|api)/[\w-]+)/?"
_CALLED = rf"{API}/call/(v2/)?[\w-]+/?"
_UPLOAD = rf"{API}/upload/?"
_READ = (
    r"/(config/?|theme\.css|favicon\.ico|robots\.txt|manifest\.json)?",
    r"/(static|assets|svelte)/.+",
    rf"{API}/(info|app_id|login_check|user|startup-events|theme\.css|queue/status|queue/data|upload_progress)/?",
    rf"{API}/heartbeat/\w+",
)
_READ_BY_PROGRAMS = (rf"{API}/call/(v2/)?[\w-]+/\w+", rf"{API}/openapi\.json")
# What a browser may fetch for the page: the server's own, and what the page makes itself. Gradio's scripts are inline.
_OWN = (
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    b"object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
)
_HEADERS = (
    (b"content-security-policy", _OWN),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # the address of a file is all that it takes to fetch it
)


# What a browser says of where a request comes from (Fetch Metadata, W3C 2021); programs say nothing.
_FROM_HERE = (b"same-origin", b"none")


class Rejection(NamedTuple):
    """An answer that refuses a request: its HTTP status and a sentence."""

    status: int
    sentence: str


class RejectedError(Exception):
    """A request that must not go on, with its Rejection."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = Rejection(status, sentence)


class RequestFilter:
    """An ASGI application around another one, which refuses with a status and one sentence.

    `kept` are the runs and uploads that may be fetched; `queue` is how many requests wait at most, for the sentence
    that refuses the next one; without `api` the routes for programs are closed. `prefix` is where the page hangs
    behind another server.
    """

    def __init__(
        self, app: App, *, kept: Runs, limits: uploads.Limits, queue: int, api: bool = True, prefix: str = ""
    ) -> None:
        self.app, self.kept, self.limits, self.queue, self.prefix = app, kept, limits, queue, prefix
        asked = (_ASKED, _CALLED) if api else (_ASKED,)
        self._asked = _any_of(*asked)
        self._posted = _any_of(*asked, _UPLOAD, rf"{API}/(cancel|reset)/?")
        self._read = _any_of(*_READ, *(_READ_BY_PROGRAMS if api else ()))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, _with_headers(send))
        else:
            await send({"type": "websocket.close", "code": 1008})  # "policy violation"; the page has none

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(self.prefix)
        try:
            self._let_pass(scope["method"], path)
            _refuse_other_sites(scope)
            if re.fullmatch(_UPLOAD, path):
                await self._upload(scope, receive, send)
            elif scope["method"] == "POST":
                await self._ask(scope, receive, send, path)
            else:
                await self.app(scope, receive, send)
        except RejectedError as no:
            await _refuse(send, no.refusal)

    def _let_pass(self, method: str, path: str) -> None:
        """Raises RejectedError at what the page does not need and at files that are nobody's business."""
        found = _FILE.fullmatch(path)
        if found and method in ("GET", "HEAD"):
            if not self.kept.serves(found["path"]):
                raise RejectedError(403, "this file is not for you, or it was deleted by its age: compose again")
            return
        routes = {"GET": self._read, "HEAD": self._read, "POST": self._posted}.get(method)
        if routes is None or not routes.fullmatch(path):
            raise RejectedError(404, "there is nothing here: the page is at /, and its API at /gradio_api/info")

    async def _ask(self, scope: Message, receive: Receive, send: Send, path: str) -> None:
        """Pass a request in JSON on, once every file that it names is one that was uploaded here."""
        body = await _whole(receive, LARGEST_ASKED)
        for named in _files(_parsed(body)):
            if "://" in named:
                raise RejectedError(
                    400, "a file cannot be given by an address: upload it, and give the path of the upload"
                )
            if not self.kept.serves(named):
                raise RejectedError(
                    400, f"{Path(named).name!r} is no file that was uploaded here: upload it, or do so again"
                )
        busy = Rejection(503, f"{self.queue} requests are waiting already, and no more fit in: try again in a minute")
        reworded = {503: busy} if self._asked.fullmatch(path) else {}
        await self.app(scope, _again(body, receive), _Reworded(send, reworded))

    async def _upload(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass an upload on, up to its limits; what it brought of another type is deleted again."""
        most = max(self.limits.upload_bytes, self.limits.largest + _WRAPPING)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        size = int(length) if length.isdigit() else 0
        if size > most:
            raise RejectedError(413, _too_large(size, most))
        if shutil.disk_usage(self.kept.root).free < size + SPARE:
            raise RejectedError(507, "there is no room for uploads on this server now: try again later")
        largest = Rejection(
            413, f"a file may have {uploads.amount(self.limits.largest)} at most: cut it, or save it smaller"
        )
        held = _Held()
        await self.app(scope, _counted(receive, most), held.send)
        if held.status == 413:
            raise RejectedError(*largest)
        self._refuse_types(held)
        for message in held.messages:
            await send(message)

    def _refuse_types(self, answer: "_Held") -> None:
        """Delete what an upload left if one of its files is of no known type. Raises RejectedError."""
        left = _parsed(answer.body) if answer.status == 200 else None
        paths = [Path(one) for one in left or () if isinstance(one, str)]
        strange = [path for path in paths if path.suffix.lower() not in uploads.NAMES]
        if strange:
            for path in strange:  # not the others: the same clip may be somebody else's, too
                with suppress(OSError):
                    path.unlink()
            raise RejectedError(
                415, f"{strange[0].name!r} is no video, sound or MIDI file by its name: give one of those"
            )


def _any_of(*routes: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{route})" for route in routes), re.DOTALL)


def _files(asked: Any) -> Iterator[str]:
    """Every path that a request gives for a file: what is called `path` in an object at any depth."""
    waiting = [asked]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("path"), str):
                yield one["path"]
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _parsed(body: bytes) -> Any:
    """What a body in JSON says, None where it is none. Raises RejectedError when it is nested too deep."""
    try:
        return json.loads(body)
    except RecursionError:
        raise RejectedError(400, "the request is nested too deep: send the plain list of values") from None
    except ValueError:  # Gradio says so in its own words
        return None


async def _whole(receive: Receive, most: int) -> bytes:
    """The body of a request. Raises RejectedError when it is longer than `most` bytes."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise RejectedError(413, _too_large(size, most))
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, as if it came now; then whatever else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give


def _counted(receive: Receive, most: int) -> Receive:
    """What comes, up to `most` bytes: the length in a request's head may be missing or false. Raises RejectedError."""
    size = 0

    async def give() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise RejectedError(413, _too_large(size, most))
        return message

    return give


class _Held:
    """An answer that is kept back until it was looked at."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return next((one["status"] for one in self.messages if one["type"] == "http.response.start"), 0)

    @property
    def body(self) -> bytes:
        return b"".join(one.get("body", b"") for one in self.messages)


class _Reworded:
    """Passes an answer on; one whose status is in the table gets the table's sentence."""

    def __init__(self, send: Send, sentences: dict[int, Rejection]) -> None:
        self._send, self._sentences, self._refused = send, sentences, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in self._sentences:
            self._refused = True
            await _refuse(self._send, self._sentences[message["status"]])
        elif not self._refused:
            await self._send(message)


async def _refuse(send: Send, refusal: Rejection) -> None:
    body = json.dumps({"detail": refusal.sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _refuse_other_sites(scope: Message) -> None:
    """Raises RejectedError at what another site's page, open in a visitor's browser, would post here unseen."""
    site = dict(scope["headers"]).get(b"sec-fetch-site")
    if scope["method"] == "POST" and site is not None and site not in _FROM_HERE:
        raise RejectedError(403, "this was sent by a page of another site: open the page itself")


def _with_headers(send: Send) -> Send:
    """Sends what comes, with _HEADERS in its head."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return add


def _too_large(size: int, most: int) -> str:
    return f"this is {uploads.amount(size)} in one go, and {uploads.amount(most)} is the most: send less at a time"
