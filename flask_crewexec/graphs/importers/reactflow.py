"""The result of React Flow's ``toObject()``, or a graph document."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..edges import Meaning
from ..problem_messages import listing
from ..problem_messages import quote
from ..reactflow import DATA_FIELDS
from ..reactflow import EDGE_TYPES
from ..schema import fields_of
from .draft import Draft
from .files import Files
from .import_result import FILES
from .import_result import Json
from .import_result import Options
from .import_result import Place
from .name_mapping import Names

_TYPES: t.Final = ("agent", "task", "tool", "llm")
_SHAPES: t.Final[Mapping[str, tuple[str, ...]]] = {
    "agent": ("role", "goal"),
    "task": ("description", "expected_output"),
}
"""Fields of the data by which the types of other editors are recognized."""
_DRAWN: t.Final = ("input", "output", "default", "group", "annotation", "note")
"""Types of nodes that only belong to the drawing, unless their data says more."""


def read_reactflow(files: Files, options: Options, names: Names, draft: Draft) -> None:
    """Read the file, whose nodes and edges are those of graph documents."""
    if len(files.texts) != 1:
        detail = f"There are {len(files.texts)} files. Send only one, with nodes and edges."
        draft.refuse(FILES, "one-file", detail, breaks=True)
        return
    (file,) = files.texts
    value = files.jsonc(file)
    draft.broken = value is None
    draft.origins[""] = Place(file)
    top = {"version": 1, "name": options.name or "crew"}
    if options.process:
        top["process"] = options.process
    draft.complete = {**top, **(value or {})}
    _Drawing(options, draft, Place(file)).read(draft.complete)


class _Drawing:
    """Nodes and edges of another editor, whose types have other names."""

    def __init__(self, options: Options, draft: Draft, place: Place) -> None:
        self._types = options.node_types
        self._draft = draft
        self._place = place
        self._dropped: set[object] = set()
        self._is_foreign = False

    def read(self, document: Json) -> None:
        """Give the nodes of *document* the types of graphs."""
        nodes, edges = document.get("nodes"), document.get("edges")
        if isinstance(nodes, list):
            document["nodes"] = self._kept("nodes", nodes, self._node)
        if isinstance(edges, list) and self._is_foreign:
            document["edges"] = self._kept("edges", edges, self._edge)

    def _kept(
        self, name: str, values: list[t.Any], read: t.Callable[[t.Any, Place], t.Any]
    ) -> list[t.Any]:
        kept: list[t.Any] = []
        for index, value in enumerate(values):
            place = self._place / name / index
            if (found := read(value, place)) is not None:
                self._draft.origins[f"/{name}/{len(kept)}"] = place
                kept.append(found)
        return kept

    def _node(self, node: t.Any, place: Place) -> t.Any:
        if not isinstance(node, dict) or node.get("type") in _TYPES:
            return node
        data = node.get("data")
        found = self._type(node.get("type"), data if isinstance(data, dict) else {})
        if found is not None and isinstance(data, dict):
            self._is_foreign = True
            return {**node, "type": found, "data": self._data(found, data, place / "data")}
        if node.get("type", "default") not in _DRAWN:
            return node
        self._is_foreign = True
        self._dropped.add(repr(node.get("id")))
        detail = "The node is neither an agent, a task, a tool nor a model, so it is left out."
        self._draft.add_note(place, "left-out", detail, "info")
        return None

    def _type(self, type: object, data: Json) -> str | None:
        name = type if isinstance(type, str) else ""
        if name in self._types:
            return self._types[name]
        for kind, fields in _SHAPES.items():
            if all(field in data for field in fields):
                return kind
        return next((kind for kind in _TYPES if kind in name.lower()), None)

    def _data(self, type: str, data: Json, place: Place) -> Json:
        known = {*fields_of(type), *DATA_FIELDS}
        for name in data.keys() - known:
            detail = f"There is no field {quote(name)} of a {type}, so it is left out."
            hint = f" The fields are {listing(fields_of(type))}."
            self._draft.add_note(place / name, "left-out", detail + hint, "changed")
        return {name: value for name, value in data.items() if name in known}

    def _edge(self, edge: t.Any, place: Place) -> t.Any:
        if not isinstance(edge, dict):
            return edge
        if not self._dropped.isdisjoint({repr(edge.get("source")), repr(edge.get("target"))}):
            return None
        known = (*t.get_args(Meaning), *EDGE_TYPES)
        return {name: each for name, each in edge.items() if name != "type" or each in known}
