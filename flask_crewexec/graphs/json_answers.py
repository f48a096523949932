"""Parses answers of models that must be JSON."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from .bounded_schema_check import find_error
from .bounded_schema_check import TooMuchWork
from .json_values import find_json_problems
from .problem_messages import quote

Json = dict[str, t.Any]

_MAX_MESSAGE_CHARS = 500


def read_answer(schema: Mapping[str, t.Any], text: str) -> tuple[Json | None, str]:
    """Return the JSON object in *text* if it matches *schema*, otherwise None and the error."""
    value = next(_objects(text), None)
    if value is None:
        return None, "The answer is not a JSON object."
    if problems := find_json_problems(value):
        return None, f"At {quote(problems[0].pointer)}: {problems[0].detail}"
    try:
        error = find_error(schema, value)
    except TooMuchWork:
        return None, "The answer is too long to be checked. Make it shorter."
    if error is None:
        return value, ""
    return None, f"At {quote(error.json_path)}: {_shortened(error.message)}"


def _objects(text: str) -> Iterator[Json]:
    """Yield JSON objects in *text*: the whole text, or the part between its outer braces."""
    start, end = text.find("{"), text.rfind("}") + 1
    for part in (text, text[start:end]):
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _shortened(message: str) -> str:
    return (
        message if len(message) <= _MAX_MESSAGE_CHARS else message[: _MAX_MESSAGE_CHARS - 1] + "…"
    )
