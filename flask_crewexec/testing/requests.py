"""Reads the body of a chat-completions request."""

from __future__ import annotations

import json
import typing as t

Json: t.TypeAlias = dict[str, t.Any]


def parse(raw: bytes) -> Json | None:
    """Return the body of a request for a completion, or None if it is not one."""
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    messages = body.get("messages") if isinstance(body, dict) else None
    valid = isinstance(messages, list) and all(isinstance(message, dict) for message in messages)
    return body if messages and valid else None


def is_stream(body: Json) -> bool:
    """Return whether the client asks for a stream."""
    return bool(body.get("stream"))


def is_after_tool(body: Json) -> bool:
    """Return whether the last message is the result of a tool."""
    return bool(body["messages"][-1].get("role") == "tool")


def prompt(body: Json) -> str:
    """Return the text of the last user message."""
    users = (message for message in reversed(body["messages"]) if message.get("role") == "user")
    return content_text(next(users, {}))


def content_text(message: Json) -> str:
    """Return the text of a message, whose content may be split into parts or missing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part.get("text", "") for part in parts if isinstance(part, dict))
