"""Placeholders such as ``{topic}``, with CrewAI's syntax."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping

# The pattern of crewai.utilities.string_utils.interpolate_only. It is ASCII only, and text that it
# does not match, such as ``{x.y}``, ``{x[0]}`` or ``{"a": 1}``, remains unchanged.
_NAME = r"[A-Za-z_][A-Za-z0-9_\-]*"
_PLACEHOLDER = re.compile(rf"\{{({_NAME})}}")


def find_placeholders(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all placeholders in ``texts``, each once, sorted."""
    return tuple(sorted(count_placeholders(texts)))


def count_placeholders(texts: Iterable[str]) -> Counter[str]:
    """Return how often each placeholder occurs in ``texts``, by name."""
    return Counter(name for text in texts for name in _PLACEHOLDER.findall(text))


def is_name(text: str) -> bool:
    """Return whether *text* is a valid name of a placeholder."""
    return re.fullmatch(_NAME, text) is not None


def as_text(value: object) -> str:
    """Return the value of an input as text: text unchanged, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with placeholders replaced by *values*.

    Placeholders within a value are not replaced. CrewAI's own function would replace them, so it
    never gets any inputs.
    """
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
