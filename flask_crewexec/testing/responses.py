"""Builds responses in the format of OpenAI's chat-completions protocol."""

from __future__ import annotations

import json
import re

from .calls import Call
from .requests import content_text
from .requests import Json
from .rules import Rule
from .rules import Tool

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
                "finish_reason": rule.finish_reason or _finish_reason(message),
            }
        ],
        "usage": _usage(*rule.usage) if rule.usage else _counted_usage(call.body, message),
    }


def _message(call: Call, rule: Rule, text: str | None) -> Json:
    message: Json = {"role": "assistant", "content": text}
    if rule.tool_calls:
        message["tool_calls"] = [
            {"id": _tool_call_id(call, index), "type": "function", "function": _function(tool)}
            for index, tool in enumerate(rule.tool_calls)
        ]
    return message


def _tool_call_id(call: Call, index: int) -> str:
    return f"call_{call.number}_{index}" if index else f"call_{call.number}"


def _function(tool: Tool) -> Json:
    name, arguments = tool
    encoded = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"name": name, "arguments": encoded}


def _finish_reason(message: Json) -> str:
    return "tool_calls" if "tool_calls" in message else "stop"


def _counted_usage(body: Json, message: Json) -> Json:
    """Count four characters as one token, so that tests can predict the numbers."""
    calls = message.get("tool_calls", [])
    written = content_text(message) + "".join(call["function"]["arguments"] for call in calls)
    prompt = sum(len(content_text(sent)) for sent in body["messages"]) // 4
    return _usage(prompt, max(1, len(written) // 4))


def _usage(prompt: int, completion: int) -> Json:
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
