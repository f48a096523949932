"""Placeholders in the texts of a graph, checked against its declared inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from collections.abc import Mapping

from ..errors import MAX_PROBLEMS
from ..errors import Problem
from .graph import AgentNode
from .graph import TaskNode
from .placeholders import find_placeholders
from .problem_messages import listing
from .problem_messages import quote
from .schema import Draft

_SHORT = ("/role", "/text", "/message")
"""Suffixes of pointers to texts that events, messages and questions to people contain."""
_TEXTS = {"agent": AgentNode.TEXTS, "task": TaskNode.TEXTS}


def find_placeholder_problems(draft: Draft) -> Iterator[Problem]:
    """Return a problem for each placeholder that the declared inputs do not allow.

    A graph without declared inputs may use any placeholder.
    """
    types = {declaration.name: declaration.type for declaration in draft.inputs}
    found = (_find_problem(types, *use) for use in _uses(draft)) if types else ()
    return itertools.islice(filter(None, found), MAX_PROBLEMS + 1)


def _find_problem(types: Mapping[str, object], pointer: str, name: str) -> Problem | None:
    if name not in types:
        detail = (
            f"The input {quote(name)} is not declared. Declare it, or use one of {listing(types)}."
        )
        return Problem(pointer, "undeclared-input", detail)
    if types[name] == "file" and pointer.endswith(_SHORT):
        detail = (
            f"The input {quote(name)} is a file, which roles, rules and messages cannot contain."
            " Move it."
        )
        return Problem(pointer, "misplaced-file", detail)
    return None


def _uses(draft: Draft) -> Iterator[tuple[str, str]]:
    for node in draft.nodes.values():
        for field in _TEXTS.get(node.type, ()):
            for name in find_placeholders([node.data.get(field) or ""]):
                yield f"{node.pointer}/data/{field}", name
        for at, guardrail in enumerate(node.data.get("guardrails", ())):
            for name in find_placeholders([guardrail.get("text") or ""]):
                yield f"{node.pointer}/data/guardrails/{at}/text", name
        review = node.data.get("review")
        for name in find_placeholders([(review and review.message) or ""]):
            yield f"{node.pointer}/data/review/message", name
