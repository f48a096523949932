"""What the tests of an application use: a language model that follows a script.

:class:`ScriptedModel` is an HTTP server on the loopback interface that speaks OpenAI's
chat-completions protocol, so that the real clients run against it, from any number of processes::

    with ScriptedModel() as model:
        model.on("capital of France", "Paris")
        model.on(status=429, headers={"retry-after": "1"}, times=1)
        llm = LLM(model="openai/any", base_url=model.base_url, api_key=model.key)
        ...
        model.wait_for_calls(1)

Rules are matched against the request, first fitting rule first, so the order in which
concurrent calls arrive does not matter. A call that no rule fits gets a deterministic echo.
"""

from __future__ import annotations

import hashlib
import json
import re
import select
import socket
import threading
import time
import typing as t
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

__all__ = ["Call", "Outcome", "Rule", "ScriptedModel"]

Json: t.TypeAlias = dict[str, t.Any]
Reply: t.TypeAlias = str | Callable[[Json], str]
Tool: t.TypeAlias = tuple[str, Mapping[str, t.Any] | str]
Pattern: t.TypeAlias = str | re.Pattern[str]

Outcome: t.TypeAlias = t.Literal["open", "answered", "disconnected", "cut", "closed"]
"""How a call ended: not yet, with its answer (errors included), by the client leaving, by the
rule cutting the answer short, or by the server being closed."""

MODELS_PATH = "/v1/models"
CHAT_PATH = "/v1/chat/completions"
MALFORMED = '{"id": "chatcmpl-'
ATTENTION_SECONDS = 0.02
"""How often a waiting call looks whether its client has left or the server is closing."""
JOIN_SECONDS = 0.5
"""How long closing waits for the calls in total: only a rule's own ``reply`` can keep one busy."""


@dataclass(frozen=True)
class Rule:
    """What to answer, and to which calls. Whatever is not given does not matter."""

    # Which calls it fits.
    when: Pattern | None = None
    """Searched in the text of the last user message."""
    model: str | None = None
    """The model's name, as the client sends it."""
    after_tool: bool | None = None
    """Whether the last message is a tool's result."""
    stream: bool | None = None
    """Whether the client asks for a stream."""

    # What it answers.
    reply: Reply | None = None
    """The text, or a function of the request's body; the message of the error if ``status``
    is one."""
    tool: Tool | None = None
    """Name and arguments of a tool to call; arguments given as text are sent as they are. Such
    a rule fits only calls that offer tools, and ``after_tool=False`` or ``times`` ends the loop."""
    status: int = 200
    """The HTTP status. Anything but 200 is answered with an error in OpenAI's form."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further HTTP headers, such as ``retry-after``."""
    code: str | None = None
    """The code in the body of an error, such as ``insufficient_quota``."""
    malformed: bool = False
    """Answer with status 200 and JSON that cannot be parsed."""

    # When, and how often.
    hold: threading.Event | None = None
    """Wait with the answer until the test sets this event."""
    delay: float = 0.0
    """Seconds before the first byte."""
    chunk_delay: float = 0.0
    """Seconds before each chunk of a stream."""
    cut_after: int | None = None
    """Drop the connection after so many chunks of a stream, or instead of a plain answer. Clients
    notice: the response is incomplete."""
    truncate_after: int | None = None
    """End a stream after so many chunks, without its finish reason. To HTTP the response is
    complete, so a careless client takes the part for the whole."""
    times: int | None = None
    """How many calls it may answer; without it, any number."""

    def __post_init__(self) -> None:
        if self.when is not None:
            re.compile(self.when)

    def fits(self, body: Json) -> bool:
        """Whether this is a rule for a request with that body."""
        return (
            (self.model is None or body.get("model") == self.model)
            and (self.stream is None or _is_stream(body) == self.stream)
            and (self.after_tool is None or _is_after_tool(body) == self.after_tool)
            and (self.tool is None or bool(body.get("tools")))
            and (self.when is None or bool(re.search(self.when, _prompt(body))))
        )

    def text(self, body: Json) -> str | None:
        """The text to answer; ``None`` if a tool call or an error says it all."""
        if callable(self.reply):
            return self.reply(body)
        if self.reply is None and self.tool is None and self.status == 200:
            return _echo(body)
        return self.reply


@dataclass(frozen=True)
class Call:
    """One request for a completion, as it was when the journal was read."""

    number: int
    """Counted from 1, in the order of arrival."""
    body: Json
    """What the client sent."""
    arrived_at: float
    """The time of ``time.monotonic()``."""
    outcome: Outcome = "open"

    @property
    def prompt(self) -> str:
        """The text of the last user message."""
        return _prompt(self.body)

    def matches(self, pattern: Pattern) -> bool:
        """Whether the pattern is found in the prompt."""
        return re.search(pattern, self.prompt) is not None


class ScriptedModel:
    """A scripted model on ``127.0.0.1``; a context manager, or :meth:`start` and :meth:`close`.

    :param key: the API key that clients must present.
    :param port: the port to listen on; 0 takes a free one.
    """

    def __init__(self, key: str = "sk-scripted", port: int = 0) -> None:
        self.key = key
        self._port = port
        self._script = _Script()
        self._server: _Server | None = None

    def __enter__(self) -> t.Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def start(self) -> t.Self:
        """Listen, and answer in the background."""
        if self._server is not None:
            raise RuntimeError("The scripted model is running: start it only once.")
        self._server = _Server(self._port, self.key, self._script)
        self._port = self._server.server_port
        self._server.start()
        return self

    def close(self) -> None:
        """Drop all calls, held ones too, and stop listening. The journal remains."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    @property
    def base_url(self) -> str:
        """Where clients find it, for their ``base_url``."""
        if not self._port:
            raise RuntimeError("The scripted model has no address yet: call start(), or use with.")
        return f"http://127.0.0.1:{self._port}/v1"

    def on(
        self, when: Pattern | None = None, reply: Reply | None = None, **fields: t.Any
    ) -> t.Self:
        """Add a rule after those that are there; ``fields`` are those of :class:`Rule`."""
        return self.add(Rule(when=when, reply=reply, **fields))

    def add(self, *rules: Rule) -> t.Self:
        """Add rules after those that are there."""
        self._script.add(rules)
        return self

    @property
    def calls(self) -> tuple[Call, ...]:
        """The journal: all calls so far, in the order of arrival."""
        return self._script.calls

    @property
    def disconnects(self) -> int:
        """How many clients left before they had their answer."""
        return sum(call.outcome == "disconnected" for call in self.calls)

    def calls_matching(self, pattern: Pattern) -> tuple[Call, ...]:
        """The calls with the pattern in their last user message."""
        return tuple(call for call in self.calls if call.matches(pattern))

    def wait_for_calls(
        self,
        count: int,
        *,
        timeout: float = 30.0,
        matching: Pattern = "",
        outcome: Outcome | None = None,
    ) -> tuple[Call, ...]:
        """Block until so many calls are in the journal, and return them.

        :param matching: count only calls with this pattern in their last user message.
        :param outcome: count only calls that ended in this way.
        :raises TimeoutError: with the journal in its text.
        """

        def wanted(call: Call) -> bool:
            return call.matches(matching) and outcome in (None, call.outcome)

        found = self._script.wait(wanted, count, timeout)
        if len(found) < count:
            raise TimeoutError(
                f"{len(found)} of {count} calls within {timeout:g} s "
                f"(matching={matching!r}, outcome={outcome!r}). {_describe(self.calls)}"
            )
        return found


class _Script:
    """The rules and the journal, shared by all connections."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._uses: Counter[int] = Counter()
        self._calls: list[Call] = []
        self._changed = threading.Condition()

    @property
    def calls(self) -> tuple[Call, ...]:
        with self._changed:
            return tuple(self._calls)

    def add(self, rules: Sequence[Rule]) -> None:
        with self._changed:
            self._rules.extend(rules)

    def take(self, body: Json) -> tuple[Call, Rule]:
        """Enter a call into the journal and use up a rule for it."""
        with self._changed:
            call = Call(len(self._calls) + 1, body, time.monotonic())
            self._calls.append(call)
            self._changed.notify_all()
            return call, self._pick(body)

    def _pick(self, body: Json) -> Rule:
        for position, rule in enumerate(self._rules):
            left = rule.times is None or self._uses[position] < rule.times
            if left and rule.fits(body):
                self._uses[position] += 1
                return rule
        return Rule()

    def settle(self, call: Call, outcome: Outcome) -> None:
        """Note how a call ended."""
        with self._changed:
            self._calls[call.number - 1] = replace(call, outcome=outcome)
            self._changed.notify_all()

    def wait(self, wanted: Callable[[Call], bool], count: int, timeout: float) -> tuple[Call, ...]:
        """The wanted calls, as soon as there are enough or the time is over."""

        def found() -> tuple[Call, ...]:
            return tuple(filter(wanted, self._calls))

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= count, timeout)
            return found()


class _Server(ThreadingHTTPServer):
    """Knows its connections, because closing has to end those that wait."""

    request_queue_size = 128

    def __init__(self, port: int, key: str, script: _Script) -> None:
        self.key = key
        self.script = script
        self.closing = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._listener = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        super().__init__(("127.0.0.1", port), _Connection)

    def start(self) -> None:
        self._listener.start()

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self._listener.join()
        self.server_close()
        self._hang_up()

    def _hang_up(self) -> None:
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

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: t.Any) -> None:
        """Keep the output of the tests clean."""

    def handle(self) -> None:
        # A client that resets its idle connection has left in an ordinary way.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        if self._admits(MODELS_PATH):
            entry = {"id": "scripted", "object": "model", "created": 0, "owned_by": "test"}
            self._send(200, json.dumps({"object": "list", "data": [entry]}))

    def do_POST(self) -> None:
        # Read in any case: what remained would be taken for the connection's next request.
        raw = self._read_body()
        if not self._admits(CHAT_PATH):
            return
        body = _parse(raw)
        if body is None:
            self._send(400, _error(400, "The body must be a JSON object with messages."))
            return
        call, rule = self.server.script.take(body)
        try:
            self._hold_back(rule)
            self._answer(call, rule)
        except ConnectionError:
            self._drop(call, "closed" if self.server.closing.is_set() else "disconnected")

    def _read_body(self) -> bytes:
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            self.close_connection = True
            return b""
        return self.rfile.read(int(length))

    def _admits(self, path: str) -> bool:
        if self.path.partition("?")[0] != path:
            self._send(404, _error(404, f"Unknown request URL: {self.command} {self.path}"))
        elif self.headers.get("authorization") != f"Bearer {self.server.key}":
            self._send(401, _error(401, "Incorrect API key provided", code="invalid_api_key"))
        else:
            return True
        return False

    def _hold_back(self, rule: Rule) -> None:
        if rule.hold is not None:
            self._wait(rule.hold)
        self._pause(rule.delay)

    def _pause(self, seconds: float) -> None:
        self._wait(self.server.closing, time.monotonic() + seconds)

    def _wait(self, event: threading.Event, deadline: float = float("inf")) -> None:
        """Wait for the event or the deadline, as long as both sides are there."""
        while True:
            left = deadline - time.monotonic()
            over = left <= 0 or event.is_set()
            # Looked at last, because the event may be the closing itself.
            if self.server.closing.is_set() or _has_left(self.connection):
                raise ConnectionAbortedError
            if over:
                return
            event.wait(min(left, ATTENTION_SECONDS))

    def _answer(self, call: Call, rule: Rule) -> None:
        try:
            text = rule.text(call.body)
        except Exception as error:  # noqa: BLE001 - the test's own function, far from the test
            self._finish(call, 500, _error(500, f"The rule's reply raised {error!r}"))
            return
        if rule.status != 200:
            message = text or f"Scripted status {rule.status}"
            body = _error(rule.status, message, code=rule.code)
            self._finish(call, rule.status, body, rule.headers)
        elif _is_stream(call.body):
            self._stream(call, rule, _completion(call, rule, text))
        elif rule.cut_after is not None:
            self._drop(call, "cut")
        else:
            content = MALFORMED if rule.malformed else json.dumps(_completion(call, rule, text))
            self._finish(call, 200, content, rule.headers)

    def _finish(
        self, call: Call, status: int, content: str, headers: Mapping[str, str] | None = None
    ) -> None:
        # Settled first: who has the answer may rely on the journal.
        self.server.script.settle(call, "answered")
        self._send(status, content, headers)

    def _drop(self, call: Call, outcome: Outcome) -> None:
        self.server.script.settle(call, outcome)
        self.close_connection = True

    def _stream(self, call: Call, rule: Rule, completion: Json) -> None:
        self._send_head(200, {"transfer-encoding": "chunked", **rule.headers}, "text/event-stream")
        stop = rule.truncate_after if rule.cut_after is None else rule.cut_after
        chunks = [MALFORMED] if rule.malformed else _delta_chunks(completion)
        for chunk in chunks[:stop]:
            self._pause(rule.chunk_delay)
            self.wfile.write(_event(chunk))
        if rule.cut_after is not None:
            self._drop(call, "cut")
            return
        closing = [] if stop is not None else [*_closing_chunks(call.body, completion), "[DONE]"]
        self.server.script.settle(call, "answered" if stop is None else "cut")
        # One write: clients stop reading at the last event, and may leave at once.
        self.wfile.write(b"".join(map(_event, closing)) + b"0\r\n\r\n")

    def _send(self, status: int, content: str, headers: Mapping[str, str] | None = None) -> None:
        data = content.encode()
        self._send_head(status, {"content-length": str(len(data)), **(headers or {})})
        self.wfile.write(data)

    def _send_head(
        self, status: int, headers: Mapping[str, str], content_type: str = "application/json"
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()


def _has_left(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)


def _parse(raw: bytes) -> Json | None:
    """The body of a request for a completion, if it is one."""
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    messages = body.get("messages") if isinstance(body, dict) else None
    valid = isinstance(messages, list) and all(isinstance(message, dict) for message in messages)
    return body if messages and valid else None


def _is_stream(body: Json) -> bool:
    return bool(body.get("stream"))


def _is_after_tool(body: Json) -> bool:
    return bool(body["messages"][-1].get("role") == "tool")


def _prompt(body: Json) -> str:
    users = (message for message in reversed(body["messages"]) if message.get("role") == "user")
    return _content(next(users, {}))


def _content(message: Json) -> str:
    """The text of a message, whose content may be in parts, or missing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part.get("text", "") for part in parts if isinstance(part, dict))


def _echo(body: Json) -> str:
    canonical = json.dumps(body["messages"], sort_keys=True)
    return f"echo {hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def _describe(calls: Sequence[Call]) -> str:
    lines = [f"{call.number}. {call.outcome}: {call.prompt[-100:]!r}" for call in calls]
    return "\n".join(["The journal:", *lines]) if lines else "The journal is empty."


def _error(status: int, message: str, code: str | None = None) -> str:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error})


def _completion(call: Call, rule: Rule, text: str | None) -> Json:
    message = _message(call, rule, text)
    return {
        "id": f"chatcmpl-{call.number}",
        "object": "chat.completion",
        "created": 0,
        "model": call.body.get("model", "scripted"),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
            }
        ],
        "usage": _usage(call.body, message),
    }


def _message(call: Call, rule: Rule, text: str | None) -> Json:
    message: Json = {"role": "assistant", "content": text}
    if rule.tool is not None:
        name, arguments = rule.tool
        encoded = arguments if isinstance(arguments, str) else json.dumps(arguments)
        function = {"name": name, "arguments": encoded}
        message["tool_calls"] = [
            {"id": f"call_{call.number}", "type": "function", "function": function}
        ]
    return message


def _usage(body: Json, message: Json) -> Json:
    """Four characters are one token, so that tests can foretell the figures."""
    calls = message.get("tool_calls", [])
    written = _content(message) + "".join(call["function"]["arguments"] for call in calls)
    prompt = sum(len(_content(sent)) for sent in body["messages"]) // 4
    completion = max(1, len(written) // 4)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _delta_chunks(completion: Json) -> list[str]:
    """The message in pieces: each word, then head and arguments of the tool call."""
    message = completion["choices"][0]["message"]
    deltas: list[Json] = [
        {"content": word} for word in re.findall(r"\s*\S+\s*|\s+", message["content"] or "")
    ]
    for index, call in enumerate(message.get("tool_calls", [])):
        arguments = {"arguments": call["function"]["arguments"]}
        head = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [head]})
        deltas.append({"tool_calls": [{"index": index, "function": arguments}]})
    first, *others = deltas or [{"content": ""}]
    return [_chunk(completion, delta) for delta in ({"role": "assistant", **first}, *others)]


def _closing_chunks(body: Json, completion: Json) -> list[str]:
    """The finish reason, and the usage if the client asked for it."""
    chunks = [_chunk(completion, {}, completion["choices"][0]["finish_reason"])]
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = {**completion, "object": "chat.completion.chunk", "choices": []}
        chunks.append(json.dumps(usage))
    return chunks


def _chunk(completion: Json, delta: Json, finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {**completion, "object": "chat.completion.chunk", "choices": [choice], "usage": None}
    return json.dumps(chunk)


def _event(payload: str) -> bytes:
    """A server-sent event as one chunk of the transfer encoding."""
    data = f"data: {payload}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)
