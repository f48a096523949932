"""Connections to models, bounded in size and time, with a real server."""

from __future__ import annotations

import contextlib
import gzip
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

import httpx
import pytest

from flask_crewexec.errors import WorkerMisconfigured
from flask_crewexec.outbound import AnswerTooLarge
from flask_crewexec.runtime import model_connections
from flask_crewexec.runtime.model_connections import MAX_ERROR_BYTES
from flask_crewexec.runtime.model_connections import ModelConnections
from flask_crewexec.runtime.model_failures import failure_of_call

LIMIT = 1_000_000


@contextlib.contextmanager
def serving(send, headers=(), status=200):
    """Serve whatever *send* writes to the connection, after the *headers*."""
    gone = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_POST(self):
            with contextlib.suppress(OSError):
                if headers is not None:
                    self.send_response(status)
                    for name, value in headers:
                        self.send_header(name, value)
                    self.end_headers()
                send(self.wfile.write, gone)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        gone.set()
        server.shutdown()
        server.server_close()


def whole(data):
    return lambda write, gone: write(data)


def endless(write, gone):
    while not gone.is_set():
        write(b"x" * 10_000)


def drop_by_drop(write, gone):
    while not gone.wait(0.05):
        write(b"x")


ZIPPED = [("content-encoding", "gzip")]


def post(url, *, stream=False, timeout=20.0, max_bytes=LIMIT):
    with ModelConnections(max_bytes) as connections:
        if not stream:
            return connections.client.post(url, timeout=timeout).content
        with connections.client.stream("POST", url, timeout=timeout) as response:
            return b"".join(response.iter_bytes())


@pytest.mark.parametrize("stream", [False, True])
class TestSize:
    def test_a_body_up_to_the_limit_is_read(self, stream):
        with serving(whole(b"x" * LIMIT)) as url:
            assert len(post(url, stream=stream)) == LIMIT

    def test_a_compressed_body_is_read(self, stream):
        with serving(whole(gzip.compress(b"hello")), ZIPPED) as url:
            assert post(url, stream=stream) == b"hello"

    @pytest.mark.parametrize(
        ("make", "headers"),
        [
            (lambda: endless, ()),
            (lambda: whole(gzip.compress(b"x" * 50 * LIMIT)), ZIPPED),
            (lambda: whole(gzip.compress(bytes(50 * LIMIT)) * 3), ZIPPED),
        ],
        ids=["endless", "compressed", "three-compressed"],
    )
    def test_more_is_refused_at_little_cost(self, make, headers, stream):
        send = make()
        tracemalloc.start()
        try:
            with serving(send, headers) as url, pytest.raises(AnswerTooLarge):
                post(url, stream=stream)
            assert tracemalloc.get_traced_memory()[1] < 2 * LIMIT + 4_000_000
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize(
        ("send", "encoding"), [(whole(b"hello"), "gzip"), (whole(b"hello"), "br")]
    )
    def test_what_cannot_be_decompressed_is_malformed(self, send, encoding, stream):
        with (
            serving(send, [("content-encoding", encoding)]) as url,
            pytest.raises(Exception) as raised,  # noqa: PT011  # classified below
        ):
            post(url, stream=stream)
        assert failure_of_call(raised.value).code == "model-malformed-answer"


def test_of_an_error_only_the_beginning_is_read():
    with serving(endless, status=503) as url, ModelConnections(LIMIT) as connections:
        response = connections.client.post(url, timeout=20.0)
    assert response.status_code == 503
    assert len(response.content) == MAX_ERROR_BYTES


@pytest.mark.parametrize("stream", [False, True])
def test_the_time_is_that_of_the_whole_call(stream):
    with serving(drop_by_drop) as url, pytest.raises(httpx.ReadTimeout):
        post(url, stream=stream, timeout=0.3)


def test_slow_headers_end_once_somebody_looks():
    with serving(drop_by_drop, headers=None) as url, ModelConnections(LIMIT) as connections:
        ended = threading.Event()

        def look():
            while not ended.wait(0.02):
                connections.abort_overdue()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            with pytest.raises(httpx.ReadTimeout):
                connections.client.post(url, timeout=0.3)
        finally:
            ended.set()
            thread.join()
        assert not connections.aborted


class TestEnvironment:
    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch):
        monkeypatch.setattr(
            model_connections, "ssl_context", model_connections.ssl_context.__wrapped__
        )

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("SSL_CERT_FILE", "/nonexistent/ca.pem"),
            ("SSL_CERT_FILE", "/dev/null"),
            ("ALL_PROXY", "socks4://127.0.0.1:9"),
            ("HTTPS_PROXY", "what://user:secret@127.0.0.1:9"),
        ],
    )
    def test_an_error_names_the_variable_and_no_value(self, monkeypatch, variable, value):
        for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_DIR"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.setenv(variable, value)
        with pytest.raises(WorkerMisconfigured) as raised:
            ModelConnections(LIMIT)
        assert raised.value.detail.endswith(f"check '{variable}'.")
