"""Parses answers of models that must be JSON."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from ..text import without_thinking
from .bounded_schema_check import find_error
from .bounded_schema_check import TooMuchWork
from .json_values import find_json_problems
from .problem_messages import child
from .problem_messages import quote

Json = dict[str, t.Any]

_MAX_MESSAGE_CHARS = 500
_MAX_CANDIDATES = 20
_FENCE = re.compile(r"```[\w-]*\s*\n(.*?)```", re.DOTALL)


def read_answer(schema: Mapping[str, t.Any], text: str) -> tuple[Json | None, str]:
    """Return the first JSON object in *text* that matches *schema*, otherwise None and the error.

    The whole text is tried first, then the fenced blocks from the last one on, and then whatever
    starts with a brace. Thinking at the start does not count.
    """
    first_error = ""
    for value in itertools.islice(_objects(without_thinking(text)), _MAX_CANDIDATES):
        error = _find_error(schema, value)
        if not error:
            return value, ""
        first_error = first_error or error
    return None, first_error or "The answer is not a JSON object."


def find_mismatch(schema: Mapping[str, t.Any], value: Json) -> tuple[str, str] | None:
    """Return where an object does not match *schema*, as a JSON pointer, and why."""
    if problems := find_json_problems(value):
        return problems[0].pointer, problems[0].detail
    try:
        error = find_error(schema, value)
    except TooMuchWork:
        return "", "The answer is too long to be checked. Make it shorter."
    if error is None:
        return None
    return functools.reduce(child, map(str, error.absolute_path), ""), _shortened(error.message)


def _find_error(schema: Mapping[str, t.Any], value: Json) -> str:
    """Return why an object does not match; nothing if it does."""
    if problems := find_json_problems(value):
        return f"At {quote(problems[0].pointer)}: {problems[0].detail}"
    try:
        error = find_error(schema, value)
    except TooMuchWork:
        return "The answer is too long to be checked. Make it shorter."
    return f"At {quote(error.json_path)}: {_shortened(error.message)}" if error else ""


def _objects(text: str) -> Iterator[Json]:
    """Yield the JSON objects in *text*."""
    fenced = [match[1] for match in _FENCE.finditer(text)]
    for part in (text, *reversed(fenced)):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(part)
            if isinstance(value, dict):
                yield value
    yield from _embedded_objects(text)


def _embedded_objects(text: str) -> Iterator[Json]:
    start = text.find("{")
    for _ in range(_MAX_CANDIDATES):
        if start < 0:
            return
        end = start + 1
        with contextlib.suppress(ValueError, RecursionError):
            value, end = _decode(text, start)
            yield value
        start = text.find("{", end)


_decode: t.Final = json.JSONDecoder().raw_decode


def _shortened(message: str) -> str:
    return (
        message if len(message) <= _MAX_MESSAGE_CHARS else message[: _MAX_MESSAGE_CHARS - 1] + "…"
    )
