"""Notes about parts of a graph that CrewAI's files do not contain."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from ...errors import Note
from ...errors import Severity
from .. import reactflow
from ..approval import NEVER
from ..graph import Graph
from ..graph import Reference
from ..problem_messages import child
from ..problem_messages import listing
from ..problem_messages import quote
from ..question import ASK_PERSON
from .stand_ins import function_reference


def layout_notes(document: Mapping[str, t.Any]) -> Iterator[Note]:
    """Yield notes about the description and the layout."""
    if document.get("description"):
        detail = "CrewAI's crews have no description, so it is left out."
        yield Note("", "/description", "left-out", detail)
    if any(reactflow.NODE_FIELDS & node.keys() for node in document["nodes"]):
        detail = "Positions and styles of nodes are left out, because CrewAI does not draw crews."
        yield Note("", "/nodes", "left-out", detail)


def input_notes(document: Mapping[str, t.Any], graph: Graph) -> Iterator[Note]:
    """Yield notes about declared inputs."""
    inputs = document.get("inputs", {})
    if inputs and not any("default" in fields for fields in inputs.values()):
        detail = "CrewAI only has defaults of inputs, and there are none, so 'inputs' is left out."
        yield Note("", "/inputs", "left-out", detail)
    for name, fields in inputs.items():
        if "default" not in fields and name not in graph.placeholders:
            detail = f"No text uses {quote(name)}, and it has no default, so it is left out."
            yield Note("", child("/inputs", name), "left-out", detail)
            continue
        lost = [
            field for field in fields if field != "default" and (field, fields[field]) != _REQUIRED
        ]
        if lost:
            detail = f"CrewAI only has the default of {quote(name)}; {listing(lost)} is left out."
            yield Note("", child("/inputs", name), "left-out", detail)


def review_notes(document: Mapping[str, t.Any]) -> Iterator[Note]:
    """Yield notes about reviews that say more than that somebody is asked."""
    for at, node in enumerate(document["nodes"]):
        if node["data"].get("review"):
            detail = "CrewAI asks at its terminal, so only 'human_input' is kept."
            yield Note("", f"/nodes/{at}/data/review", "left-out", detail, "changed")


_REQUIRED: t.Final = ("required", True)


def name_notes(references: Iterable[Reference]) -> Iterator[Note]:
    """Yield notes about registered names."""
    for kind, name, pointer, _, on_unknown, approval, question in references:
        if on_unknown is not None:
            where = f"{pointer.removesuffix('/name')}/on_unknown"
            detail = f"CrewAI does not continue interrupted calls of {quote(name)}."
            yield Note("", where, "left-out", detail, "changed")
        if approval not in (None, NEVER):
            where = f"{pointer.removesuffix('/name')}/approval"
            detail = f"CrewAI asks nobody before it calls {quote(name)}."
            yield Note("", where, "left-out", detail, "unguarded")
        if question is not None:
            detail = "CrewAI asks at its terminal, so it is left out who is asked, and until when."
            yield Note("", pointer.removesuffix("/name"), "left-out", detail, "changed")
        if name == ASK_PERSON and kind == "tool":
            yield Note("", pointer, "registered-name", _ASKS, "changed")
            continue
        code, severity = "registered-name", _SEVERITIES.get(kind, "changed")
        if kind in ("guardrail", "predicate") and function_reference(name) is None:
            code = "left-out"
        yield Note("", pointer, code, _NAME_NOTES[kind].format(quote(name)), severity)


_ASKS: t.Final = "CrewAI holds the crew while the tool 'ask_person' asks at its terminal."
_SEVERITIES: t.Final[Mapping[str, Severity]] = {
    "guardrail": "unguarded",
    "predicate": "unguarded",
    "default-model": "info",
}
_NAME_NOTES: t.Final[Mapping[str, str]] = {
    "tool": "CrewAI does not know the tool {}. Write it in 'tools' to run the crew there.",
    "model": "CrewAI does not know the model {}. Write 'provider/model' to run the crew there.",
    "predicate": "CrewAI does not know the predicate {}. Write it in 'registered.py'.",
    "guardrail": "CrewAI does not know the guardrail {}. Write it in 'registered.py'.",
    "default-model": "No model is connected, so CrewAI uses its own default instead of {}.",
}
