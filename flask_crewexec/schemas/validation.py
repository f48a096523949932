"""Load values with a schema, or raise an error with every problem."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

import marshmallow as ma

from ..errors import InvalidRequest
from ..errors import Problem
from ..graphs.problem_messages import child

INVALID_FIELD: t.Final = "invalid-field"
"""Code of the problem of a field that is wrong in itself."""
_IN_OUR_WORDS: t.Final = {"Invalid input type.": "Must be a JSON object."}
"""Messages of marshmallow that do not say what is expected."""


def load(schema: ma.Schema, values: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return *values* as loaded by *schema*.

    :raises InvalidRequest: with every problem.
    """
    try:
        return t.cast("dict[str, t.Any]", schema.load(values))
    except ma.ValidationError as error:
        raise invalid_request(error.messages) from error


def invalid_request(messages: object) -> InvalidRequest:
    """Return the error for *messages* of marshmallow."""
    problems = [*from_messages(messages)]
    place = problems[0].pointer.removeprefix("/") or "The request"
    return InvalidRequest(f"{place}: {problems[0].detail}", problems)


def from_messages(messages: object, pointer: str = "") -> Iterator[Problem]:
    """Convert nested messages of marshmallow to problems with JSON pointers."""
    if isinstance(messages, dict):
        for key, value in messages.items():
            yield from from_messages(value, pointer if key == "_schema" else child(pointer, key))
    elif isinstance(messages, list):
        for message in messages:
            yield from from_messages(message, pointer)
    else:
        message = str(messages)
        yield Problem(pointer, INVALID_FIELD, _IN_OUR_WORDS.get(message, message))
