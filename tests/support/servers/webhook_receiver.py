"""A server that receives webhooks, and answers as a test says."""

from __future__ import annotations

import json
import ssl
import threading
import typing as t
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

import standardwebhooks

Answer = Callable[["Handler"], None]


class Message(t.NamedTuple):
    """What was sent."""

    headers: dict[str, str]
    body: str

    @property
    def type(self) -> str:
        return t.cast(str, json.loads(self.body)["type"])

    def verify(self, secret: str) -> dict[str, t.Any]:
        """Return the content, if a verifier that is not ours accepts the signature.

        :raises standardwebhooks.WebhookVerificationError: if it does not.
        """
        content = standardwebhooks.Webhook(secret).verify(self.body, self.headers)
        return t.cast("dict[str, t.Any]", content)

    def is_signed_with(self, secret: str) -> bool:
        try:
            return bool(self.verify(secret))
        except standardwebhooks.WebhookVerificationError:
            return False


class WebhookReceiver:
    """Answers 204 by default; use it as a context manager.

    :param tls: with which it speaks TLS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.messages: list[Message] = []
        self.answer: Answer = reply(204)
        self.leave = threading.Event()
        """Set when the receiver stops, so that no answer goes on."""

    def __enter__(self) -> t.Self:
        handler = type("OfReceiver", (Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        scheme, port = "https" if self._tls else "http", self._server.server_address[1]
        return f"{scheme}://127.0.0.1:{port}/hook"


class Handler(BaseHTTPRequestHandler):
    receiver: WebhookReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.receiver.messages.append(Message(dict(self.headers), body))
        self.receiver.answer(self)

    def log_message(self, *words: object) -> None:
        """Silence."""


def reply(status: int, **headers: str) -> Answer:
    """Answer with a status; underscores in names of headers stand for hyphens."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


def hang(handler: Handler) -> None:
    """Answer nothing."""
    handler.receiver.leave.wait(60)


def drip(handler: Handler) -> None:
    """Send one byte of the headers after the other, without an end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not handler.receiver.leave.wait(0.02):
            handler.wfile.write(b"x")
    except OSError:
        """The client hung up."""


def flood(handler: Handler) -> None:
    """Answer that all is well, with a body without an end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not handler.receiver.leave.is_set():
            handler.wfile.write(b"x" * 65_536)
    except OSError:
        """The client hung up."""
