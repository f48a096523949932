"""Reads the answer from the parts of a response: a completion, or the chunks of a stream."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ...text import storable
from ...text import without_thinking
from .answer import Answer
from .content import read_text
from .errors import MalformedAnswer
from .errors import UpstreamError
from .tool_calls import ToolCallReader
from .usage import read_usage

Json = Mapping[str, t.Any]


class AnswerReader:
    """Collects an answer. A completion is read like a stream with a single chunk."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._tool_calls = ToolCallReader()
        self._usage: dict[str, int] = {}
        self._id: str | None = None
        self._has_choice = False
        self.finish_reason: str | None = None

    def add(self, payload: object) -> str:
        """Add a completion or a chunk, and return its text.

        :raises UpstreamError: if it describes an error.
        :raises MalformedAnswer: if it is no object.
        """
        chunk = _as_object(payload)
        choice = _first_choice(chunk)
        _raise_error(chunk, choice)
        self._id = _string(chunk.get("id")) or self._id
        self._usage = read_usage(chunk.get("usage")) or self._usage
        return "" if choice is None else self._add_choice(choice)

    def finish(self) -> Answer:
        """Return the answer.

        :raises MalformedAnswer: if there was none.
        """
        if not self._has_choice:
            raise MalformedAnswer("The response has no choices.")
        return Answer(
            text=without_thinking(storable("".join(self._text))),
            tool_calls=self._tool_calls.finish(),
            refusal=storable("".join(self._refusal)),
            finish_reason=self.finish_reason,
            usage=self._usage,
            id=self._id,
        )

    def _add_choice(self, choice: Json) -> str:
        self._has_choice = True
        self.finish_reason = _string(choice.get("finish_reason")) or self.finish_reason
        message = choice.get("message") or choice.get("delta")
        if not isinstance(message, Mapping):
            message = {"content": choice.get("text")}  # of the older completions
        self._tool_calls.add(message, whole="message" in choice)
        self._refusal.append(read_text(message.get("refusal")))
        text = read_text(message.get("content"))
        self._text.append(text)
        return storable(text)


def _as_object(payload: object) -> Json:
    if isinstance(payload, list) and payload:  # Gemini sends its errors in a list
        payload = payload[0]
    if not isinstance(payload, Mapping):
        raise MalformedAnswer("The response is not a JSON object.")
    return payload


def _first_choice(chunk: Json) -> Json | None:
    choices = chunk.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else None


def _raise_error(chunk: Json, choice: Json | None) -> None:
    error = chunk.get("error") or (choice or {}).get("error")
    if error:
        raise UpstreamError(error)


def _string(value: object) -> str | None:
    return storable(value) if isinstance(value, str) else None
