"""Fetching weights from a server of the test's own: whole, wrong, broken off, unreachable."""

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from video2music.errors import EncoderError
from video2music.features import encoders, semantic
from video2music.features.download import fetch
from video2music.features.encoders import RemoteWeights

BYTES = bytes(range(256)) * 12_000
SHA256 = hashlib.sha256(BYTES).hexdigest()
UNREACHABLE = "http://127.0.0.1:9"


class Server(BaseHTTPRequestHandler):
    body = BYTES
    promised = len(BYTES)
    asked: list[str] = []  # noqa: RUF012 shared on purpose

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200)
        if self.promised:
            self.send_header("Content-Length", str(self.promised))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch):
    """A handler class whose answers a test may change, and its address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = type("Handler", (Server,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        handler.address = f"http://127.0.0.1:{running.server_port}"
        yield handler
        running.shutdown()
        thread.join()


@pytest.fixture
def offer(monkeypatch, tmp_path):
    """offer(*hosts): the only weights are SHA256's at these hosts, and the cache is empty."""
    monkeypatch.setenv("V2M_CACHE", str(tmp_path / "cache"))

    def put(*hosts):
        spec = replace(encoders.ENCODERS["clip-small"], remote=RemoteWeights("small.pt", SHA256, 3, hosts))
        monkeypatch.setattr(encoders, "ENCODERS", {**encoders.ENCODERS, "clip-small": spec})

    return put


def small():
    return encoders.ENCODERS["clip-small"]


def get(*, progress=None):
    """Fetch with a test that lets everything pass."""
    return fetch(small(), test=lambda path: None, progress=progress)


def left_behind(tmp_path):
    return [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_weights_arrive_whole_with_progress(server, offer, tmp_path):
    offer(server.address)
    reported = []
    path = get(progress=reported.append)
    assert path == small().remote.path
    assert path.read_bytes() == BYTES
    assert server.asked == [f"/clip/models/{SHA256}/small.pt"]
    assert reported == sorted(reported)
    assert len(reported) > 1
    assert reported[-1] == 1
    assert left_behind(tmp_path) == ["small.pt"]


def test_weights_that_are_here_are_not_fetched_again(server, offer):
    offer(server.address)
    get()
    get()
    assert len(server.asked) == 1


def test_a_wrong_checksum_leaves_nothing_behind(server, offer, tmp_path):
    server.body = BYTES[:-1] + b"\0"
    offer(server.address)
    with pytest.raises(EncoderError, match="checksum"):
        get()
    assert left_behind(tmp_path) == []


def test_what_fails_its_test_is_not_kept(server, offer, tmp_path):
    offer(server.address)
    tested = []

    def refuse(path):
        tested.append(path.read_bytes())
        raise EncoderError("they know nothing")

    with pytest.raises(EncoderError, match=r"small\.pt .*not kept: they know nothing"):
        fetch(small(), test=refuse)
    assert tested == [BYTES]
    assert left_behind(tmp_path) == []


def test_weights_that_are_here_are_not_tested_again(server, offer):
    offer(server.address)
    get()
    assert fetch(small(), test=pytest.fail) == small().remote.path


@pytest.mark.parametrize("promised", [len(BYTES), 0])
def test_a_download_that_breaks_off_leaves_nothing_behind(server, offer, tmp_path, promised):
    server.body, server.promised = BYTES[:1_500_000], promised
    offer(server.address)
    with pytest.raises(EncoderError, match="broke off" if promised else "checksum"):
        get()
    assert left_behind(tmp_path) == []


def test_no_connection_is_one_sentence_that_says_what_to_do(offer, tmp_path):
    offer(UNREACHABLE)
    with pytest.raises(EncoderError) as refused:
        get()
    assert "video2music download clip-small" in str(refused.value)
    assert "--encoder color" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert left_behind(tmp_path) == []


def test_the_second_host_is_tried_when_the_first_fails(server, offer):
    offer(UNREACHABLE, server.address)
    assert get().read_bytes() == BYTES


def test_a_cache_that_cannot_be_written_is_one_sentence(server, offer, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    offer(server.address)
    with pytest.raises(EncoderError, match="cannot be had"):
        get()


def test_color_has_nothing_to_download():
    with pytest.raises(EncoderError, match="clip and clip-small"):
        semantic.download("color")


def test_the_published_addresses_carry_their_checksum():
    for weights in (spec.remote for spec in encoders.downloadable()):
        assert len(weights.sha256) == 64
        assert all(weights.sha256 in url and url.startswith("https://") for url in weights.urls)
