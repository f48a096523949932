"""Builds responses in the format of OpenAI's chat-completions protocol."""

from __future__ import annotations

import json
import re

from .calls import Call
from .requests import content_text
from .requests import Json
from .rules import Rule

MALFORMED = '{"id": "chatcmpl-'


def error_body(status: int, message: str, code: str | None = None) -> str:
    """Return the body of an error."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error})


def models_body() -> str:
    """Return the list of models."""
    entry = {"id": "scripted", "object": "model", "created": 0, "owned_by": "test"}
    return json.dumps({"object": "list", "data": [entry]})


def completion(call: Call, rule: Rule, text: str | None) -> Json:
    """Return the whole answer to a call."""
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
    """Count four characters as one token, so that tests can predict the numbers."""
    calls = message.get("tool_calls", [])
    written = content_text(message) + "".join(call["function"]["arguments"] for call in calls)
    prompt = sum(len(content_text(sent)) for sent in body["messages"]) // 4
    completion = max(1, len(written) // 4)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def delta_chunks(completion: Json) -> list[str]:
    """Return the message in pieces: each word, then head and arguments of the tool call."""
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


def closing_chunks(body: Json, completion: Json) -> list[str]:
    """Return the finish reason, and the usage if the client asked for it."""
    chunks = [_chunk(completion, {}, completion["choices"][0]["finish_reason"])]
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = {**completion, "object": "chat.completion.chunk", "choices": []}
        chunks.append(json.dumps(usage))
    return chunks


def _chunk(completion: Json, delta: Json, finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {**completion, "object": "chat.completion.chunk", "choices": [choice], "usage": None}
    return json.dumps(chunk)


def server_sent_event(payload: str) -> bytes:
    """Return a server-sent event as one chunk of the transfer encoding."""
    data = f"data: {payload}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)
