"""A stub model that answers thousands of callers, immediately or after a set time.

It implements OpenAI's chat completions with little CPU, so that its client is measured::

    python -m benchmarks.model 8080

``POST /control`` with ``{"latency": seconds}`` sets the latency and resets the counters;
``GET /control`` returns them, with the times of the first and the last call of each crew. A call
belongs to the crew whose mark (``crew-`` and a hexadecimal number) it contains. A caller who offers
a tool gets two calls of it before the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
import typing as t

MARK = re.compile(rb"crew-[0-9a-f]+")
TOOL_CALLS = 2
TEXT = "I now can give a great answer\nFinal Answer: It is done."


class StubModel:
    """Answers and counts calls."""

    def __init__(self) -> None:
        self._in_flight = 0
        self._reset(0.0)

    def _reset(self, latency: float) -> None:
        self._latency = latency
        self._calls = 0
        self._most_in_flight = 0
        self._first_calls: dict[str, float] = {}
        self._last_calls: dict[str, float] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection until the client closes it."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                writer.write(_response(await self._answer(head, body)))
        writer.close()

    async def _answer(self, head: bytes, body: bytes) -> t.Any:
        method, path, _ = head.split(b" ", 2)
        if path != b"/control":
            return await self._complete(body)
        if method == b"POST":
            self._reset(json.loads(body)["latency"])
        return {
            "calls": self._calls,
            "in_flight": self._in_flight,
            "most_in_flight": self._most_in_flight,
            "first_calls": self._first_calls,
            "last_calls": self._last_calls,
        }

    async def _complete(self, body: bytes) -> t.Any:
        self._count(body)
        try:
            if self._latency:
                await asyncio.sleep(self._latency)
        finally:
            self._in_flight -= 1
        return _completion(self._calls, _message(body))

    def _count(self, body: bytes) -> None:
        self._calls += 1
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        if mark := MARK.search(body):
            crew, now = mark[0].decode(), time.time()
            self._first_calls.setdefault(crew, now)
            self._last_calls[crew] = now


def _length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


def _response(content: t.Any) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _message(body: bytes) -> dict[str, t.Any]:
    """Return the answer, or a call of the tool that is offered."""
    request = json.loads(body) if b'"tools"' in body else {}
    results = sum(message["role"] == "tool" for message in request.get("messages", ()))
    if not request.get("tools") or results >= TOOL_CALLS:
        return {"role": "assistant", "content": TEXT}
    arguments = json.dumps({"text": f"Count these {results} words, please."})
    function = {"name": request["tools"][0]["function"]["name"], "arguments": arguments}
    call = {"id": f"call_{results}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _completion(number: int, message: dict[str, t.Any]) -> dict[str, t.Any]:
    finish_reason = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


async def main(port: int) -> None:
    """Serve until the process ends."""
    server = await asyncio.start_server(StubModel().serve, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
