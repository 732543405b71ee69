"""The page as it is served, attacked over the wire: what it gives away, what it takes in, and whom it serves when."""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from tests.browser.server import serving as app_of_its_own
from tests.pages import THREADS, served_page
from tests.video2music.conftest import draw_clip, picture_packets
from video2music import Options, compose
from video2music.errors import OptionError
from video2music.media import clip as media
from video2music.studio import serving
from video2music.studio.uploads import Limits

FILE_DATA = {"_type": "gradio.FileData"}
LIMITS = Limits(clip_bytes=300_000, clip_s=30.0, sound_bytes=300_000, midi_bytes=300_000, upload_bytes=500_000)

# Ways of writing a path that is not to be had; what is in braces is filled in.
PATHS = (
    "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "%252fetc%252fpasswd", "\\etc\\passwd", "/proc/self/environ",
    "~/.bashrc", "..", "app.py", "./app.py", "{app}", "{secret}", "{root}", "{root}/", "{root}/../secret.txt",
    "{root}/..%2f..%2fsecret.txt", "{root}%5c..%5csecret.txt", "{root}/run-*/clip.scored.mp4", "{run}",
    "{run}/no-such.mp4", "{run}/../../../secret.txt", "{run}/./clip.scored.mp4",
    "{run}/%2e%2e/%2e%2e/%2e%2e/secret.txt", "{run}/%252e%252e/{name}/clip.scored.mp4",
    "{run}/../{name}/clip.scored.mp4", "{run}//clip.scored.mp4", "{run}/clip.scored.mp4%00",
    "{run}/clip.scored.mp4%00.txt", "file://{run}/clip.scored.mp4",
)  # fmt: skip
FOREIGN = (
    "/etc/passwd", "{app}", "{secret}", "{root}/../secret.txt", "{root}", "secret.txt",
    "{run}/../{name}/clip.scored.mp4",
)  # fmt: skip
CLOSED = (
    "GET /monitoring", "GET /monitoring/summary", "GET /docs", "GET /redoc", "GET /openapi.json",
    "POST /gradio_api/component_server", "POST /gradio_api/process_recording", "POST /gradio_api/vibe-edit",
    "POST /gradio_api/vibe-code", "GET /gradio_api/vibe-code", "GET /gradio_api/run-history/buckets",
    "GET /gradio_api/runs", "GET /gradio_api/custom_component/0/client/a/b.js", "GET /gradio_api/deep_link",
    "GET /gradio_api/dev/reload", "GET /gradio_api/token", "GET /gradio_api/profiling/traces",
    "GET /gradio_api/stream/a/b/1/playlist-file", "POST /gradio_api/stream/abc", "PUT /gradio_api/upload", "DELETE /",
    "TRACE /", "GET //", "GET /app.py", "GET /static",
)  # fmt: skip
NAMES = (
    "../../../evil.mp4", "/etc/cron.d/evil.mp4", "%2e%2e%2fevil.mp4", "a\\..\\evil.mp4", "evil.mp4/",
    "evil\x00.mp4", "e vil ü.mp4", "-rf.mp4", "$(reboot).mp4",
    "x" * 500 + ".mp4",
)  # fmt: skip


class Answer(NamedTuple):
    """What came back: the HTTP status and the body."""

    status: int
    body: bytes

    @property
    def sentence(self) -> str:
        """What the refusal says."""
        told = json.loads(self.body)["detail"]
        assert "\n" not in told and "Traceback" not in told
        return told


class Server(NamedTuple):
    """A served page: where it listens, and the root that it must not leave."""

    port: int
    root: Path

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request with the path as it is: nothing is made tidy on the way."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if body is not None and not isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        wire.putrequest(method, path)
        for name, value in {"Content-Length": str(len(sent)), **headers}.items():
            wire.putheader(name.replace("_", "-"), value)
        wire.endheaders(sent)
        answer = wire.getresponse()
        return Answer(answer.status, answer.read())

    def fetch(self, path: str | Path) -> Answer:
        """A file by the route that serves files."""
        return self.ask("GET", f"/gradio_api/file={path}")

    def upload(self, *files: tuple[str, bytes]) -> Answer:
        """Files by the route that takes them."""
        parts = [
            b'--EDGE\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n%s\r\n" % (name.encode(), data)
            for name, data in files
        ]
        return self.ask(
            "POST",
            "/gradio_api/upload",
            b"".join(parts) + b"--EDGE--\r\n",
            Content_Type="multipart/form-data; boundary=EDGE",
        )

    def put(self, clip: Path) -> str:
        """Upload a file; where it lies on the server."""
        answer = self.upload((clip.name, clip.read_bytes()))
        assert answer.status == 200, answer
        return json.loads(answer.body)[0]

    def call(self, name: str, *values: object) -> Answer:
        """Ask a function of the API for something; the answer names the event or refuses."""
        return self.ask("POST", f"/gradio_api/call/{name}", {"data": list(values)})

    def outcome(self, name: str, asked: Answer) -> tuple[str, object]:
        """How an event ended, `complete` or `error`, and what came of it."""
        event = json.loads(asked.body)["event_id"]
        lines = self.ask("GET", f"/gradio_api/call/{name}/{event}").body.decode().strip().splitlines()
        return lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: "))

    def result(self, name: str, *values: object) -> tuple[str, object]:
        """Ask, and wait for what comes of it."""
        asked = self.call(name, *values)
        assert asked.status == 200, asked
        return self.outcome(name, asked)


def served(folder: Path, **settings: object):
    """Yields a served page with a root of its own in a folder."""
    with served_page(folder / "root", limits=LIMITS, **settings) as page:
        yield Server(page.server_port, (folder / "root").resolve())


ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from served(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return draw_clip(tmp_path_factory.mktemp("clips") / "my holiday.mp4", seconds=4)


@pytest.fixture
def run(server):
    """A run folder of some visitor, with a result in it."""
    folder = serving.Runs(server.root).new()
    (folder / "clip.scored.mp4").write_bytes(b"somebody's work")
    return folder


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text("the secret")
    return path


@pytest.fixture
def listener():
    """The address of a server on this machine that nobody must ask, and a list of what it was asked."""
    asked = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_arguments):
            pass

    one = ThreadingHTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{one.server_port}", asked
    one.shutdown()


def test_the_page_answers_and_says_which_functions_programs_may_use(server):
    assert server.ask("GET", "/").status == 200
    told = json.loads(server.ask("GET", "/gradio_api/info").body)
    assert set(told["named_endpoints"]) == {"/analyse", "/compose", "/reroll", "/variant", "/judge", "/batch"}
    assert told["unnamed_endpoints"] == {}


def test_a_result_is_served_to_whoever_knows_its_unguessable_name(server, run):
    assert server.fetch(quote(str(run / "clip.scored.mp4"))) == Answer(200, b"somebody's work")


@pytest.mark.parametrize("path", PATHS)
def test_no_other_way_of_writing_a_path_is_served(server, run, secret, path):
    named = path.format(root=server.root, run=run, name=run.name, secret=secret, app=ROOT / "app.py")
    for method in ("GET", "HEAD"):
        answer = server.ask(method, f"/gradio_api/file={named}")
        assert answer.status in (400, 403, 404), answer
        assert b"secret" not in answer.body and b"somebody" not in answer.body
    assert server.ask("GET", f"/gradio_api/file/{named}").status == 404  # the old form of the route


def test_links_and_unfinished_work_in_a_run_are_not_served(server, run, secret):
    (run / "link.mp4").symlink_to(secret)
    (run / "self.mp4").symlink_to(run / "clip.scored.mp4")
    (run / "up").symlink_to(secret.parent)
    (run / ".partial-1").mkdir()
    (run / ".partial-1" / "clip.mid").write_bytes(b"half")
    for path in ("link.mp4", "self.mp4", "up/secret.txt", ".partial-1/clip.mid"):
        answer = server.fetch(run / path)
        assert answer.status == 403 and "not for you" in answer.sentence


def test_nobody_is_told_the_names_of_other_visitors_runs(server, run):
    for path in (
        "/",
        "/config",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/queue/status",
        "/theme.css",
    ):
        answer = server.ask("GET", path)
        assert answer.status == 200 and run.name.encode() not in answer.body


@pytest.mark.parametrize("route", ["file={url}", "file={url}/a.mp4", "proxy={url}", "proxy={url}/theme.css"])
def test_the_server_fetches_no_address_for_a_visitor(server, listener, route):
    url, asked = listener
    for written in (url, url.replace("http", "HTTP"), quote(url, safe=""), "https://example.com"):
        assert server.ask("GET", f"/gradio_api/{route.format(url=written)}").status in (403, 404)
    assert asked == []


@pytest.mark.parametrize("route", CLOSED)
def test_routes_that_the_page_does_not_need_are_closed(server, route):
    assert server.ask(*route.split(" ")).status == 404


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/%2e%2e/app.py", "/assets/..%2f..%2fapp.py",
                                  "/assets//etc/passwd", "/static//etc/passwd", "/svelte/../../app.py"])  # fmt: skip
def test_the_pages_own_parts_do_not_lead_out_of_their_folder(server, path):
    assert server.ask("GET", path).status in (400, 403, 404)


def test_a_queue_cannot_be_passed_by(server):
    for route in ("run", "api"):
        answer = server.ask("POST", f"/gradio_api/{route}/compose", {"data": []})
        assert answer.status == 404


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_lands_in_the_root_whatever_its_name_says(server, name):
    answer = server.upload((name, b"no film"))
    (path,) = map(Path, json.loads(answer.body))
    assert answer.status == 200 and path.is_relative_to(server.root) and path.parent.parent == server.root
    assert path.resolve() == path and path.read_bytes() == b"no film"


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil.mp4.exe", "evil", "..", ".mp4", "list.m3u8", ""])
def test_an_upload_of_another_type_is_refused_and_not_kept(server, name):
    content = f"<script>{name}</script>".encode()
    answer = server.upload(("fine.mp4", content), (name, content))
    assert answer.status in (400, 415) and answer.sentence
    kept = [path for path in server.root.rglob("*") if path.is_file() and path.read_bytes() == content]
    assert {path.name for path in kept} <= {"fine.mp4"} | {path.name for path in server.root.glob("tmp*")}


def test_an_upload_that_is_too_large_is_refused_by_file_and_in_all(server):
    answer = server.upload(("big.mp4", bytes(LIMITS.clip_bytes + 1)))
    assert answer.status == 413 and "300 kB at most" in answer.sentence
    answer = server.upload(*((f"{number}.mp4", bytes(200_000)) for number in range(3)))
    assert answer.status == 413 and "500 kB is the most" in answer.sentence


def test_an_upload_that_lies_about_its_length_is_stopped(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
        wire.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/form-data; boundary=EDGE\r\n\r\n"
        )
        head = b'--EDGE\r\nContent-Disposition: form-data; name="files"; filename="%d.mp4"\r\n\r\n%s\r\n'
        for number in range(4):
            part = head % (number, bytes(200_000))
            wire.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        assert wire.recv(1000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "wrap", [lambda given: given, lambda given: {"video": given}, lambda given: [{"deep": [given]}]]
)
@pytest.mark.parametrize("path", ["", *FOREIGN])
def test_a_file_that_was_not_uploaded_cannot_be_named_in_its_place(server, run, secret, wrap, path):
    named = path.format(root=server.root, run=run, name=run.name, secret=secret, app=ROOT / "app.py")
    for given in ({"path": named, "meta": FILE_DATA}, {"path": named}):
        answer = server.call("analyse", wrap(given), "color")
        assert answer.status == 400 and "uploaded here" in answer.sentence
        joined = {"data": [wrap(given), "color", ""], "fn_index": 0, "session_hash": "abc"}
        assert server.ask("POST", "/gradio_api/queue/join", joined).status == 400
        assert server.ask("POST", "/gradio_api/call/v2/analyse", {"clip": wrap(given)}).status == 400


def test_an_address_in_place_of_an_upload_is_refused_and_not_asked(server, listener):
    url, asked = listener
    for path in (f"{url}/a.mp4", "https://example.com/a.mp4", "file:///etc/passwd", "ftp://example.com/a.mp4"):
        answer = server.call("analyse", {"path": path, "meta": FILE_DATA}, "color")
        assert answer.status == 400 and "upload it" in answer.sentence
    for given in ({"url": f"{url}/a.mp4", "meta": FILE_DATA}, f"{url}/a.mp4", "/etc/passwd"):
        ended, _ = server.result("analyse", given, "color")
        assert ended == "error"
    assert asked == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/call/compose"])
def test_what_a_page_of_another_site_posts_is_refused(server, path, site):
    """A browser tells where a request comes from; a program says nothing and is served."""
    told = server.ask("POST", path, {}, Sec_Fetch_Site=site)
    assert told.status == 403 and "page of another site" in told.sentence
    assert server.ask("POST", path, {}, Sec_Fetch_Site="same-origin").status != 403
    assert server.ask("POST", path, {}).status != 403


def test_a_request_that_is_huge_or_nested_without_end_is_refused(server):
    deep = server.ask("POST", "/gradio_api/call/analyse", b"[" * 100_000, Content_Type="application/json")
    assert deep.status == 400 and "nested" in deep.sentence
    huge = server.call("analyse", "x" * 3_000_000)
    assert huge.status == 413 and "2 MB is the most" in huge.sentence
    odd = server.ask("POST", "/gradio_api/call/analyse", b"\xff\xfe{", Content_Type="application/json")
    assert odd.status == 400


def test_what_is_uploaded_is_looked_at_before_any_work(server, tmp_path):
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear film,\n" * 100)
    ended, told = server.result("analyse", {"path": server.put(letter), "meta": FILE_DATA}, "color")
    assert (
        ended == "error"
        and told["error"].startswith("letter.mp4 is not a video")
        and str(server.root) not in told["error"]
    )
    long = draw_clip(tmp_path / "long.mp4", seconds=31, fps=2, size=(32, 32))
    ended, told = server.result("analyse", {"path": server.put(long), "meta": FILE_DATA}, "color")
    assert ended == "error" and "lasts 31 seconds, and 30 seconds is the most" in told["error"]


def test_every_answer_forbids_guessing_types_telling_addresses_on_and_fetching_elsewhere(server, run):
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for path in ("/", f"/gradio_api/file={run}/clip.scored.mp4", "/gradio_api/file=/etc/passwd"):
        wire.request("GET", path)
        answer = wire.getresponse()
        answer.read()
        assert (
            answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "same-origin"
        )


@pytest.mark.parametrize(
    ("arguments", "environment", "changed"),
    [
        ([], {}, {}),
        (["--port", "8000", "--host", "0.0.0.0"], {}, {"port": 8000, "host": "0.0.0.0"}),
        (["--keep-hours", "1.5", "--queue=3"], {}, {"keep_s": 5400.0, "queue": 3}),
        (["--clip-mb", "1.5", "--clip-minutes", "2"], {}, {"limits": Limits(clip_bytes=1_500_000, clip_s=120.0)}),
        ([], {"V2M_STUDIO_WORKERS": "4", "V2M_STUDIO_ROOT": "here"}, {"workers": 4, "root": Path("here")}),
        (["--workers", "2"], {"V2M_STUDIO_WORKERS": "4"}, {"workers": 2}),
        (["--no-api"], {}, {"api": False}),
        ([], {"V2M_STUDIO_NO_API": "1", "V2M_STUDIO_ROOT_PATH": "/studio"}, {"api": False, "root_path": "/studio"}),
    ],
)
def test_settings_come_from_the_command_line_before_the_environment(arguments, environment, changed):
    assert serving.read(arguments, environment) == serving.Settings(**changed)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"port": 70_000}, "port must lie between 0 and 65535, but is 70000"),
        ({"queue": 0}, "queue must lie between 1"),
        ({"workers": 0}, "workers must lie between 1"),
        ({"keep_s": 5.0}, "keep_s must lie between 3600"),
        ({"root_path": "studio/"}, "begins with /"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, told):
    with pytest.raises(OptionError, match=told):
        serving.Settings(**wrong)


@pytest.mark.parametrize(
    "option", ["--clip-mb=0", "--clip-mb=-1", "--clip-mb=nan", "--clip-minutes=-1", "--clip-minutes=inf"]
)
def test_a_limit_that_is_none_is_refused_on_the_command_line_too(option):
    with pytest.raises(OptionError, match="must be a number above 0"):
        serving.read([option], {})


def test_the_server_listens_on_this_machine_alone_unless_told_otherwise(tmp_path):
    told = serving.launch(serving.Settings(root=tmp_path))
    assert told["server_name"] == "127.0.0.1" and not told["share"] and not told["enable_monitoring"]


@pytest.mark.parametrize("workers", [1, 2, 64])
def test_several_workers_share_the_cores(monkeypatch, workers):
    for name in THREADS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    told = []
    monkeypatch.setattr(media, "set_decoder_threads", told.append)
    monkeypatch.setattr(serving, "available_cores", lambda: 8)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(set_num_threads=told.append))
    serving._share_threads(workers)
    share = max(1, 8 // workers)
    assert told == ([] if workers == 1 else [share, share])
    assert os.environ["OMP_THREAD_LIMIT"] == str(share)
    assert os.environ.get("OMP_NUM_THREADS") == (None if workers == 1 else str(share))


def score_form(server, clip: Path, **more: object) -> dict[str, object]:
    """A request for a piece, quick to make unless `more` says otherwise."""
    given = {"path": server.put(clip), "meta": FILE_DATA}
    return {"clip": given, "candidates": 1, "encoder": "color", "stems": False, **more}


def wished(server, asked: dict[str, object]) -> Answer:
    return server.ask("POST", "/gradio_api/call/v2/compose", asked)


def runs_of(server) -> set[Path]:
    return set(server.root.glob("run-*"))


def wait_for(happened, seconds: float = 240.0) -> float:
    """Seconds until something has happened."""
    began_s = time.monotonic()
    while not happened():
        assert time.monotonic() - began_s < seconds, "it never happened"
        time.sleep(0.02)
    return time.monotonic() - began_s


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A page that works on two requests at a time while eight wait."""
    yield from served(tmp_path_factory.mktemp("busy"), queue=8, workers=2)


@pytest.mark.slow
def test_forty_requests_at_once_are_each_answered_with_their_own_or_told_to_wait(busy, tmp_path):
    clips = [draw_clip(tmp_path / f"clip {n}.mp4", seconds=2 + n / 12, size=(64, 48)) for n in range(40)]
    asked = [score_form(busy, clip, seed=100 + n) for n, clip in enumerate(clips)]
    together = threading.Barrier(len(asked))

    def ask(number: int) -> tuple[int, Answer, tuple[str, object] | None]:
        together.wait()
        answer = wished(busy, asked[number])
        return number, answer, busy.outcome("compose", answer) if answer.status == 200 else None

    with ThreadPoolExecutor(len(asked)) as visitors:
        answers = list(visitors.map(ask, range(len(asked))))
    refused = [answer for _, answer, _ in answers if answer.status != 200]
    served_ = [(number, outcome) for number, _, outcome in answers if outcome]
    assert all(answer.status == 503 and "8 requests are waiting already" in answer.sentence for answer in refused)
    assert len(refused) + len(served_) == 40 and 8 <= len(served_) <= 20
    for number, (ended, files) in served_:
        assert ended == "complete", files
        video, _, midi, _, _, _, _, manifest, _ = files
        told = json.loads(busy.fetch(quote(manifest["path"])).body)
        assert told["options"]["seed"] == 100 + number and Path(told["input"]["path"]).name == f"clip {number}.mp4"
        assert picture_packets(Path(video["path"])) == picture_packets(clips[number])
        if number in (served_[0][0], served_[-1][0]):
            alone = compose(
                clips[number], tmp_path / "alone", Options(seed=100 + number, candidates=1, encoder="color")
            )
            assert busy.fetch(quote(midi["path"])).body == alone.midi.read_bytes()
    assert busy.ask("GET", "/").status == 200
    assert busy.outcome("compose", wished(busy, asked[0]))[0] == "complete"  # and it goes on
    print(f"{len(served_)} served, {len(refused)} told to come again")


@pytest.mark.slow
def test_cancelling_stops_the_work_and_frees_the_worker(server, tmp_path):
    long, short = draw_clip(tmp_path / "long.mp4", seconds=28), draw_clip(tmp_path / "short.mp4", seconds=2)
    config = json.loads(server.ask("GET", "/config").body)
    (number,) = [one["id"] for one in config["dependencies"] if one["api_name"] == "compose"]
    before = runs_of(server)
    event = json.loads(wished(server, score_form(server, long, candidates=16)).body)["event_id"]
    wait_for(lambda: runs_of(server) - before)
    (given_up,) = runs_of(server) - before
    after = wished(server, score_form(server, short))
    time.sleep(3)
    assert runs_of(server) - before == {given_up}  # one worker: the other waits
    began_s = time.monotonic()
    cancelled = server.ask("POST", "/gradio_api/cancel", {"session_hash": event, "fn_index": number, "event_id": event})
    assert cancelled.status == 200
    wait_for(lambda: runs_of(server) - before - {given_up})
    freed_s = time.monotonic() - began_s
    assert not given_up.exists()  # the work came back and its folder went before the next began
    print(f"freed after {freed_s:.1f} s")
    assert freed_s < 30  # a stretch of work between two looks, on a machine that is busy with other things
    assert server.outcome("compose", after)[0] == "complete"


@pytest.mark.slow
def test_ctrl_c_ends_the_server_at_once_whatever_is_under_way(tmp_path):
    long = draw_clip(tmp_path / "long.mp4", seconds=28)
    with app_of_its_own(tmp_path) as running:
        server = Server(urlsplit(running.address).port, (tmp_path / "cache" / "studio").resolve())
        assert wished(server, score_form(server, long, candidates=16)).status == 200
        wait_for(lambda: runs_of(server))
        time.sleep(2)
        running.process.send_signal(signal.SIGINT)
        running.process.wait(30)
        assert "Traceback" not in running.log.read_text()
        assert not runs_of(server)


@pytest.mark.slow
def test_closing_the_page_stops_what_runs_for_it(server, tmp_path):
    long = draw_clip(tmp_path / "long.mp4", seconds=28)
    config = json.loads(server.ask("GET", "/config").body)
    (one,) = [one for one in config["dependencies"] if one["api_name"] == "compose"]
    told = json.loads(server.ask("GET", "/gradio_api/info").body)["named_endpoints"]["/compose"]["parameters"]
    asked = score_form(server, long, candidates=16)
    values = [asked.get(given["parameter_name"], given.get("parameter_default")) for given in told]
    data = [*values, *[None] * (len(one["inputs"]) - len(values))]  # the last is the session, which the server keeps
    before = runs_of(server)
    page = http.client.HTTPConnection("127.0.0.1", server.port)
    page.request("GET", "/gradio_api/heartbeat/visitor")
    page.getresponse()
    joined = server.ask(
        "POST", "/gradio_api/queue/join", {"data": data, "fn_index": one["id"], "session_hash": "visitor"}
    )
    assert joined.status == 200, joined
    wait_for(lambda: runs_of(server) - before)
    time.sleep(2)
    assert runs_of(server) - before  # it is still at work
    page.close()
    assert wait_for(lambda: not runs_of(server) - before) < 45
