"""Placeholders such as ``{topic}``, as CrewAI reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The pattern of crewai.utilities.string_utils.interpolate_only. It is ASCII only, and what it
# does not match, such as ``{x.y}``, ``{x[0]}`` or ``{"a": 1}``, stays in the text as it is.
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_\-]*)}")


def find_placeholders(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all placeholders in ``texts``, each once, sorted."""
    return tuple(sorted({name for text in texts for name in _PLACEHOLDER.findall(text)}))
