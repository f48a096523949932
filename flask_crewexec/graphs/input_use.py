"""Where a graph's texts use its inputs."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Problem
from .document import AgentNode
from .document import TaskNode
from .placeholders import find_placeholders
from .schema import Draft
from .wording import listing
from .wording import quote

_TEXTS = {"agent": AgentNode.TEXTS, "task": TaskNode.TEXTS}


def find_use_problems(draft: Draft) -> Iterator[Problem]:
    """Yield a problem for each placeholder that the declared inputs do not allow.

    A graph that declares none may use any.
    """
    types = {declaration.name: declaration.type for declaration in draft.inputs}
    for pointer, name in _uses(draft) if types else ():
        if name not in types:
            detail = f"The input {quote(name)} is not declared. Declared are {listing(types)}."
            yield Problem(pointer, "undeclared-input", detail)
        elif types[name] == "file" and pointer.endswith("/role"):
            detail = f"The input {quote(name)} is a file, which is no part of a name. Move it."
            yield Problem(pointer, "file-in-role", detail)


def _uses(draft: Draft) -> Iterator[tuple[str, str]]:
    for node in draft.nodes.values():
        for field in _TEXTS.get(node.type, ()):
            for name in find_placeholders([node.data.get(field) or ""]):
                yield f"{node.pointer}/data/{field}", name
