"""Untrusted JSON values: which can be stored, and their digest."""

from __future__ import annotations

import hashlib
import json
import math
import re
import typing as t
from collections.abc import Iterator

from ..errors import MAX_PROBLEMS
from ..errors import Problem
from .problem_messages import child
from .problem_messages import kind_of

MAX_VALUES: t.Final = 120_000
"""Number of JSON values in a document or an imported file, with all that editors add."""
_DEPTH = 100
_FLOAT_BITS = 1023
# PostgreSQL stores neither NUL nor unpaired surrogates; json.loads accepts both.
_BAD_TEXT = re.compile(r"[\x00\ud800-\udfff]")

_Place = tuple["_Place", object] | str
"""A JSON pointer, or a place and a token below it, joined only if there is a problem."""
_Issue = tuple[str, str]
_BAD_TEXT_ISSUE = (
    "bad-text",
    "This text contains NUL or an unpaired surrogate, which cannot be stored. Remove it.",
)


def digest(document: object) -> str:
    """Return the SHA-256 of a valid document's canonical JSON, in hexadecimal."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def find_json_problems(
    value: object, pointer: str = "", *, max_values: float = math.inf
) -> list[Problem]:
    """Return the reasons why ``value`` cannot be stored as JSON; accepts any Python object.

    It stops when there are more problems than are reported.

    :param max_values: how many values, within others or not, there may be.
    """
    problems: list[Problem] = []
    pending: list[tuple[_Place, object, int]] = [(pointer, value, 0)]
    count = 1
    while pending and len(problems) <= MAX_PROBLEMS:
        place, item, depth = pending.pop()
        count += len(item) if isinstance(item, dict | list) else 0
        if count > max_values:
            detail = (
                f"With these, there are more than {max_values:,} texts, numbers, lists and other"
                " values. Remove what is not part of it."
            )
            return [*problems, Problem(_pointer(place), "too-many-values", detail)]
        if depth > _DEPTH:
            detail = f"This is nested more than {_DEPTH} levels deep. Flatten it."
            return [*problems, Problem(_pointer(place), "too-deep", detail)]
        if issue := _find_issue(item):
            problems.append(Problem(_pointer(place), *issue))
        else:
            below = [
                ((place, token), member, depth + 1)
                for token, member in _members(item)
                if not _is_plain(member) or depth == _DEPTH
            ]
            pending.extend(reversed(below))
    return problems


def _is_plain(value: object) -> bool:
    """Return whether there is nothing to look at: most values are, and looking takes longer."""
    kind = type(value)
    if kind is str:
        return not _BAD_TEXT.search(t.cast(str, value))
    if kind is int:
        return t.cast(int, value).bit_length() <= _FLOAT_BITS
    if kind is float:
        return math.isfinite(t.cast(float, value))
    return value is None or kind is bool or (kind in (list, dict) and not value)


def _members(value: object) -> Iterator[tuple[object, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _pointer(place: _Place) -> str:
    return place if isinstance(place, str) else child(_pointer(place[0]), place[1])


def _find_issue(value: object) -> _Issue | None:
    match value:
        case None | bool() | list():
            return None
        case str():
            return _BAD_TEXT_ISSUE if _BAD_TEXT.search(value) else None
        case int():
            return _number_issue(value.bit_length() <= _FLOAT_BITS)
        case float():
            return _number_issue(math.isfinite(value))
        case dict():
            return _find_key_issue(value)
        case _:
            return "not-json", f"JSON cannot represent {kind_of(value)}. Send plain JSON."


def _number_issue(fits: bool) -> _Issue | None:
    return None if fits else ("not-json", "A number must be finite and below 1.8e308.")


def _find_key_issue(value: dict[t.Any, t.Any]) -> _Issue | None:
    if not all(isinstance(key, str) for key in value):
        return "not-json", "The keys of an object must be text."
    return _BAD_TEXT_ISSUE if any(_BAD_TEXT.search(key) for key in value) else None
