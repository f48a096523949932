"""Placeholders such as ``{topic}``, as CrewAI reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from collections.abc import Mapping

# The pattern of crewai.utilities.string_utils.interpolate_only. It is ASCII only, and what it
# does not match, such as ``{x.y}``, ``{x[0]}`` or ``{"a": 1}``, stays in the text as it is.
_NAME = r"[A-Za-z_][A-Za-z0-9_\-]*"
_PLACEHOLDER = re.compile(rf"\{{({_NAME})}}")


def find_placeholders(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all placeholders in ``texts``, each once, sorted."""
    return tuple(sorted({name for text in texts for name in _PLACEHOLDER.findall(text)}))


def is_name(text: str) -> bool:
    """Whether a placeholder can be called *text*."""
    return re.fullmatch(_NAME, text) is not None


def as_text(value: object) -> str:
    """Return an input's value as prompts show it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with *values* in place of their names.

    It is read once, so braces within a value mean nothing. CrewAI's own function replaces them
    again, which is why it never gets any inputs.
    """
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def filled_length(text: str, values: Mapping[str, str]) -> int:
    """Return how long :func:`fill` would make *text*."""
    found = (name for name in _PLACEHOLDER.findall(text) if name in values)
    return len(text) + sum(len(values[name]) - len(f"{{{name}}}") for name in found)
