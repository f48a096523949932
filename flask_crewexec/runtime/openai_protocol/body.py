"""The body of a response -> the answer in it."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from .answer import Answer
from .errors import AnswerCutOff
from .errors import MalformedAnswer
from .reader import AnswerReader

_DONE: t.Final = b"[DONE]"
_EVENT_FIELDS: t.Final = (b"data:", b"event:", b"id:", b"retry:", b":")
"""How the lines of an event stream start; none of them starts JSON."""


def read_body(parts: Iterable[bytes], on_text: Callable[[str], object]) -> Answer:
    """Return the answer in a response: JSON or an event stream, whichever was asked for.

    :param parts: the body.
    :param on_text: called with each piece of text of a stream as soon as it arrives.
    :raises UpstreamError: if the response describes an error.
    :raises MalformedAnswer: if it is no answer.
    :raises AnswerCutOff: if the stream ends early.
    """
    lines = _lines(parts)
    first = next((line for line in lines if line.strip()), b"")
    if first.startswith(_EVENT_FIELDS):
        return _read_stream(_with_first(first, lines), on_text)
    reader = AnswerReader()
    reader.add(_parse(b"\n".join(_with_first(first, lines))))
    return reader.finish()


def _read_stream(lines: Iterable[bytes], on_text: Callable[[str], object]) -> Answer:
    reader = AnswerReader()
    for line in lines:
        if not line.startswith(b"data:"):
            continue
        data = line.removeprefix(b"data:").strip()
        if data == _DONE:
            return reader.finish()
        if data and (text := reader.add(_parse(data))):
            on_text(text)
    if reader.finish_reason is None:
        raise AnswerCutOff("The stream ended before the answer was complete.")
    return reader.finish()


def _parse(data: bytes) -> object:
    try:
        return json.loads(data.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise MalformedAnswer("The response is not JSON.") from error


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Split at line feeds only: JSON may contain the other line ends of Unicode."""
    rest: list[bytes] = []
    for part in parts:
        first, *others = part.split(b"\n")
        rest.append(first)
        for other in others:
            yield b"".join(rest).rstrip(b"\r")
            rest = [other]
    yield b"".join(rest).rstrip(b"\r")


def _with_first(first: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from lines
