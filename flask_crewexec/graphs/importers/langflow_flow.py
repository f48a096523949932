"""The components of a Langflow flow, and how they are connected."""

from __future__ import annotations

import json
import typing as t

from ..problem_messages import kind_of
from ..problem_messages import quote
from .crew_parts import CrewParts
from .draft import Draft
from .import_result import Json
from .import_result import Place


class Component(t.NamedTuple):
    """A node of a flow."""

    id: str
    type: str
    form: Json
    """The fields of its form."""
    place: Place


class Flow:
    """Components by id, and their connections by target and field."""

    def __init__(self, draft: Draft, parts: CrewParts, place: Place) -> None:
        self.components: dict[str, Component] = {}
        self._draft = draft
        self._parts = parts
        self._place = place
        self._into: dict[tuple[str, str], list[Component]] = {}

    def read(self, data: object) -> None:
        """Read the components and connections of *data*."""
        members = self._draft.members(data, self._place)
        for name, read in (("nodes", self._read_node), ("edges", self._read_edge)):
            parts = (members or {}).get(name)
            place = self._place / name
            if not isinstance(parts, list):
                detail = f"{quote(name)} must be a list, not {kind_of(parts)}."
                self._draft.refuse(place, "wrong-type", detail, breaks=True)
            elif name == "edges" or self._parts.has_valid_size(parts, place):
                for index, part in enumerate(parts):
                    read(part, place / index)

    def into(self, component: Component, field: str) -> list[Component]:
        """Return the components that are connected to a *field* of this one."""
        return self._into.get((component.id, field), [])

    def _read_node(self, value: object, place: Place) -> None:
        data = member(value, "data")
        id, kind = member(value, "id"), member(data, "type")
        form = member(data, "node", "template")
        if not isinstance(id, str) or id in self.components:
            detail = "A node needs its own id. Add one."
            self._draft.refuse(place / "id", "invalid-id", detail, breaks=True)
            return
        form = form if isinstance(form, dict) else {}
        at = place / "data" / "node" / "template"
        self.components[id] = Component(id, kind if isinstance(kind, str) else "", form, at)

    def _read_edge(self, value: object, place: Place) -> None:
        source, target = member(value, "source"), member(value, "target")
        field = member(_target_handle(value), "fieldName")
        if not all(isinstance(end, str) and end in self.components for end in (source, target)):
            detail = "The edge connects a node that does not exist. Remove it."
            self._draft.refuse(place, "unknown-node", detail, breaks=True)
        elif isinstance(field, str):
            self._into.setdefault((target, field), []).append(self.components[source])

    def ordered_tasks(self, crew: Component, types: t.Collection[str]) -> list[Component]:
        """Return the tasks of a crew, each after those that it continues.

        :param types: the types of components that are tasks.
        """
        ordered: dict[str, Component] = {}
        pending = [(task, False) for task in reversed(self.into(crew, "tasks"))]
        open_: set[str] = set()
        while pending:
            task, done = pending.pop()
            if done:
                ordered[task.id] = task
            elif task.id in open_ and task.id not in ordered:
                detail = f"The task {quote(task.id)} depends on itself. Remove one of the edges."
                self._draft.refuse(self._place / "edges", "cycle", detail, breaks=True)
            elif task.id not in ordered and task.type in types:
                open_.add(task.id)
                pending.append((task, True))
                before = [*self.into(task, "task"), *self.into(task, "previous_task")]
                pending += [(other, False) for other in reversed(before)]
        return [*ordered.values()]


def member(value: object, *names: str) -> t.Any:
    """Return the value at the path of *names*, or None if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _target_handle(edge: object) -> object:
    """Return the handle where an edge ends; older flows write it as text with other quotes."""
    handle = member(edge, "data", "targetHandle") or member(edge, "targetHandle")
    if not isinstance(handle, str):
        return handle
    try:
        return json.loads(handle.replace("œ", '"'))
    except (ValueError, RecursionError):
        return None
