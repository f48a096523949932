"""References of documents to registered names: tools, models, guardrails, predicates."""

from __future__ import annotations

import typing as t
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from ..errors import Problem
from .edges import LinkedDraft
from .graph import DEFAULT_MODEL
from .graph import Reference
from .permissions import Permissions
from .problem_messages import listing
from .problem_messages import quote
from .role_limits import RoleLimits
from .schema import Draft
from .schema import NodeDraft


def find_references(linked: LinkedDraft) -> Iterator[Reference]:
    """Yield all references of the document."""
    for node in linked.nodes("tool", "llm"):
        if "name" in node.data:
            kind: t.Literal["tool", "model"] = "tool" if node.type == "tool" else "model"
            names = ("max_tokens", "on_unknown", "approval", "question")
            limits = (node.data.get(name) for name in names)
            yield Reference(kind, node.data["name"], f"{node.pointer}/data/name", *limits)
    for agent in linked.nodes("agent"):
        if not linked.into(agent, "llm"):
            yield Reference("default-model", DEFAULT_MODEL, agent.pointer)
    for task in linked.nodes("task"):
        yield from _references_of(task)
    if model := planning_model(linked.draft):
        if linked.draft.planning_model:
            yield Reference("model", model, "/planning_model")
        else:
            yield Reference("default-model", model, "/planning")


def planning_model(draft: Draft) -> str | None:
    """Return the name of the model that plans the crew, or None without planning."""
    return (draft.planning_model or DEFAULT_MODEL) if draft.planning else None


def _references_of(task: NodeDraft) -> Iterator[Reference]:
    if condition := task.data.get("condition"):
        yield Reference("predicate", condition, f"{task.pointer}/data/condition")
    for at, guardrail in enumerate(task.data.get("guardrails", ())):
        if name := guardrail.get("name"):
            yield Reference("guardrail", name, f"{task.pointer}/data/guardrails/{at}/name")


def find_name_problems(references: Iterable[Reference], permissions: Permissions) -> list[Problem]:
    """Return a problem for each reference to a name that may not be used."""
    registered = _names_by_kind(permissions)
    return [
        _problem(reference, registered[reference.kind], permissions.role_limits)
        for reference in find_unknown(references, permissions)
    ]


def find_unknown(references: Iterable[Reference], permissions: Permissions) -> list[Reference]:
    """Return the references to names that may not be used."""
    registered = _names_by_kind(permissions)
    return [each for each in references if each.name not in registered[each.kind]]


def _names_by_kind(permissions: Permissions) -> Mapping[str, Collection[str]]:
    return {
        "tool": permissions.tools,
        "model": permissions.models,
        "default-model": permissions.models,
        "guardrail": permissions.guardrails,
        "predicate": permissions.predicates,
    }


def _problem(reference: Reference, registered: Collection[str], role_limits: RoleLimits) -> Problem:
    available = f"Available: {listing(sorted(registered))}."
    kind = reference.kind.removeprefix("default-")
    if reference.name in role_limits.denied.get(kind, ()):
        detail = f"You may not use the {kind} {quote(reference.name)}. {available}"
        return Problem(reference.pointer, f"{kind}-not-allowed", detail)
    if reference.kind == "default-model":
        detail = f"No model is connected, and none is registered as {quote(reference.name)}."
        return Problem(reference.pointer, "no-default-model", f"{detail} {available}")
    detail = f"There is no {reference.kind} {quote(reference.name)}. {available}"
    return Problem(reference.pointer, f"unknown-{reference.kind}", detail)
