"""Names that the host registers: tools and models."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator

from ..errors import Problem
from .document import DEFAULT_MODEL
from .document import Reference
from .links import Sketch
from .terms import Terms
from .wording import listing
from .wording import quote


def find_references(sketch: Sketch) -> Iterator[Reference]:
    """Yield every place in the document that needs a registered tool or model."""
    for node in sketch.nodes("tool", "llm"):
        if "name" in node.data:
            pointer = f"{node.pointer}/data/name"
            yield Reference("tool" if node.type == "tool" else "model", node.data["name"], pointer)
    for agent in sketch.nodes("agent"):
        if not sketch.into(agent, "llm"):
            yield Reference("default-model", DEFAULT_MODEL, agent.pointer)


def find_name_problems(
    references: Iterable[Reference],
    tools: Collection[str],
    models: Collection[str],
    terms: Terms = Terms(),  # noqa: B008  # immutable
) -> list[Problem]:
    """Return a problem for each reference to a tool or model that may not be used."""
    return [
        _problem(reference, tools if reference.kind == "tool" else models, terms)
        for reference in references
        if reference.name not in (tools if reference.kind == "tool" else models)
    ]


def _problem(reference: Reference, registered: Collection[str], terms: Terms) -> Problem:
    available = f"Available: {listing(sorted(registered))}."
    kind = "tool" if reference.kind == "tool" else "model"
    if reference.name in (terms.denied_tools if kind == "tool" else terms.denied_models):
        detail = f"You may not use the {kind} {quote(reference.name)}. {available}"
        return Problem(reference.pointer, f"{kind}-not-allowed", detail)
    if reference.kind == "default-model":
        detail = f"No model is connected, and none is registered as {quote(reference.name)}."
        return Problem(reference.pointer, "no-default-model", f"{detail} {available}")
    detail = f"There is no {reference.kind} {quote(reference.name)}. {available}"
    return Problem(reference.pointer, f"unknown-{reference.kind}", detail)
