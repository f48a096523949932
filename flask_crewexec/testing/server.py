"""The HTTP server of a scripted model."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
import typing as t
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

from . import responses
from .calls import Call
from .calls import Outcome
from .requests import is_stream
from .requests import Json
from .requests import parse
from .rules import Rule
from .script import Script

MODELS_PATH = "/v1/models"
CHAT_PATH = "/v1/chat/completions"
POLL_SECONDS = 0.02
"""How often a waiting call checks whether its client has left or the server is closing."""
JOIN_SECONDS = 0.5
"""How long closing waits for all calls together; only a rule's own ``reply`` can keep one busy."""


class Server(ThreadingHTTPServer):
    """Keeps track of its connections, so that closing can end those that wait."""

    request_queue_size = 128

    def __init__(self, port: int, key: str, script: Script, delay: float) -> None:
        self.key = key
        self.delay = delay
        self.script = script
        self.closing = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._listener = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        super().__init__(("127.0.0.1", port), _Connection)

    def start(self) -> None:
        """Listen, in a thread."""
        self._listener.start()

    def restart(self, script: Script) -> None:
        """Drop all connections, and follow another script."""
        closing, self.closing = self.closing, threading.Event()
        self.script = script
        closing.set()
        self._drop_connections()

    def stop(self) -> None:
        """Stop listening, and drop all connections."""
        self.closing.set()
        self.shutdown()
        self._listener.join()
        self.server_close()
        self._drop_connections()

    def _drop_connections(self) -> None:
        connections = self._connections.copy()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in connections.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    # The base class types these arguments for datagrams as well.

    def process_request(self, request: t.Any, client_address: t.Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections[request] = thread
        thread.start()

    def process_request_thread(self, request: t.Any, client_address: t.Any) -> None:
        super().process_request_thread(request, client_address)
        del self._connections[request]


class _Connection(BaseHTTPRequestHandler):
    """Serves the requests of one client's connection, one after the other."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    _closing: threading.Event
    _script: Script

    def log_message(self, format: str, *args: t.Any) -> None:
        """Log nothing, to keep the output of tests clean."""

    def handle(self) -> None:
        # A client may reset an idle connection: that is no error.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        if self._admits(MODELS_PATH):
            self._send(200, responses.models_body())

    def do_POST(self) -> None:
        # Read the body in any case, or its rest is taken for the connection's next request.
        raw = self._read_body()
        if not self._admits(CHAT_PATH):
            return
        body = parse(raw)
        if body is None:
            message = "The body must be a JSON object with messages."
            self._send(400, responses.error_body(400, message))
            return
        # Kept, because a test may end while its calls are in progress.
        self._closing, self._script = self.server.closing, self.server.script
        self._serve(*self._script.take(body))

    def _serve(self, call: Call, rule: Rule) -> None:
        try:
            self._delay(call, rule)
            self._answer(call, rule)
        except ConnectionError:
            self._drop(call, "closed" if self._closing.is_set() else "disconnected")

    def _read_body(self) -> bytes:
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            self.close_connection = True
            return b""
        return self.rfile.read(int(length))

    def _admits(self, path: str) -> bool:
        if self.path.partition("?")[0] != path:
            message = f"Unknown request URL: {self.command} {self.path}"
            self._send(404, responses.error_body(404, message))
        elif self.headers.get("authorization") != f"Bearer {self.server.key}":
            message = "Incorrect API key provided"
            self._send(401, responses.error_body(401, message, code="invalid_api_key"))
        else:
            return True
        return False

    def _delay(self, call: Call, rule: Rule) -> None:
        if rule.hold is not None and (rule.hold_after is None or not is_stream(call.body)):
            self._wait(rule.hold)
        self._pause(rule.delay or self.server.delay)

    def _pause(self, seconds: float) -> None:
        self._wait(self._closing, time.monotonic() + seconds)

    def _wait(self, event: threading.Event, deadline: float = float("inf")) -> None:
        """Wait for the event or the deadline.

        :raises ConnectionAbortedError: if the client leaves or the server closes first.
        """
        while True:
            left = deadline - time.monotonic()
            over = left <= 0 or event.is_set()
            # Checked last, because the event may be the server's closing.
            if self._closing.is_set() or _has_left(self.connection):
                raise ConnectionAbortedError
            if over:
                return
            event.wait(min(left, POLL_SECONDS))

    def _answer(self, call: Call, rule: Rule) -> None:
        try:
            text = rule.text(call.body)
        except Exception as error:  # noqa: BLE001 - the test's own function, far from the test
            body = responses.error_body(500, f"The rule's reply raised {error!r}")
            self._finish(call, 500, body)
            return
        if rule.raw is not None:
            self._finish(call, rule.status, rule.raw, rule.headers)
        elif rule.status != 200:
            message = text or f"Scripted status {rule.status}"
            body = responses.error_body(rule.status, message, code=rule.code)
            self._finish(call, rule.status, body, rule.headers)
        else:
            self._complete(call, rule, responses.completion(call, rule, text))

    def _complete(self, call: Call, rule: Rule, completion: Json) -> None:
        if is_stream(call.body):
            self._stream(call, rule, completion)
        elif rule.cut_after is not None:
            self._drop(call, "cut")
        else:
            content = responses.MALFORMED if rule.malformed else json.dumps(completion)
            self._finish(call, 200, content, rule.headers)

    def _finish(
        self,
        call: Call,
        status: int,
        content: str | bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # Recorded first, so that the journal is complete once the client has its answer.
        self._script.finish(call, "answered")
        self._send(status, content, headers)

    def _drop(self, call: Call, outcome: Outcome) -> None:
        self._script.finish(call, outcome)
        self.close_connection = True

    def _stream(self, call: Call, rule: Rule, completion: Json) -> None:
        self._send_head(200, {"transfer-encoding": "chunked", **rule.headers}, "text/event-stream")
        stop = rule.truncate_after if rule.cut_after is None else rule.cut_after
        malformed = [responses.MALFORMED] if rule.malformed else None
        for sent, chunk in enumerate((malformed or responses.delta_chunks(completion))[:stop]):
            if rule.hold is not None and sent == rule.hold_after:
                self._wait(rule.hold)
            self._pause(rule.chunk_delay)
            self.wfile.write(responses.server_sent_event(chunk))
        if rule.cut_after is not None:
            self._drop(call, "cut")
        else:
            self._end_stream(call, None if stop is not None else completion)

    def _end_stream(self, call: Call, completion: Json | None) -> None:
        """End a stream: with its last events, or without them if it is truncated."""
        closing = [*responses.closing_chunks(call.body, completion), "[DONE]"] if completion else []
        self._script.finish(call, "answered" if completion else "cut")
        # One write: clients stop reading at the last event, and may leave at once.
        self.wfile.write(b"".join(map(responses.server_sent_event, closing)) + b"0\r\n\r\n")

    def _send(
        self, status: int, content: str | bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        data = content.encode() if isinstance(content, str) else content
        self._send_head(status, {"content-length": str(len(data)), **(headers or {})})
        self.wfile.write(data)

    def _send_head(
        self, status: int, headers: Mapping[str, str], content_type: str = "application/json"
    ) -> None:
        self.send_response(status)
        for name, value in {"content-type": content_type, **headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()


def _has_left(connection: socket.socket) -> bool:
    poll = select.poll()  # `select.select` takes no descriptor above 1023
    poll.register(connection, select.POLLIN)
    readable = poll.poll(0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
