"""A graph document under construction, with the place in the files that each part came from."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ...errors import Problem
from ..problem_messages import kind_of
from .import_result import Json
from .import_result import Note
from .import_result import Place

MAX_NOTES: t.Final = 200
_INVALID_IN_IDS = re.compile(r"[^A-Za-z0-9_.:-]+")


class Draft:
    """Nodes, edges, notes and problems of a document.

    It is ``broken`` if parts are missing, whose absence would mislead the checks of graphs.
    """

    def __init__(self, top: Json, place: Place) -> None:
        self.top = top
        """The members of the document except nodes and edges."""
        self.notes: list[Note] = []
        self.problems: list[Problem] = []
        self.broken = False
        self.complete: Json | None = None
        """A whole document, instead of single nodes and edges."""
        self.origins: dict[str, Place] = {"": place}
        """Places in the files, by pointers into the document."""
        self._nodes: list[Json] = []
        self._edges: list[Json] = []
        self._ids: set[str] = set()

    @property
    def document(self) -> Json:
        """The document so far."""
        if self.complete is not None:
            return self.complete
        return {"version": 1, **self.top, "nodes": self._nodes, "edges": self._edges}

    def add_node(
        self, id: str, type: str, data: Json, place: Place, fields: Mapping[str, Place]
    ) -> str:
        """Add a node and return its id, which is *id* or a valid and unused one like it.

        :param fields: the places of members of *data*, unless they are below *place*.
        """
        id = self._unused(_INVALID_IN_IDS.sub("_", id)[:90] or type)
        pointer = f"/nodes/{len(self._nodes)}"
        self.origins[pointer] = self.origins[f"{pointer}/data"] = place
        self.origins[f"{pointer}/id"] = fields.get("name", place)
        self.origins.update({f"{pointer}/data/{name}": at for name, at in fields.items()})
        self._nodes.append({"id": id, "type": type, "data": data})
        return id

    def add_edge(self, source: str, target: str, place: Place, type: str | None = None) -> None:
        """Add an edge."""
        self.origins[f"/edges/{len(self._edges)}"] = place
        typed = {} if type is None else {"type": type}
        self._edges.append({"source": source, "target": target, **typed})

    def add_note(self, place: Place, code: str, detail: str) -> None:
        """Add a note about something that is left out."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(Note(place.file, place.pointer, code, detail))
        elif len(self.notes) == MAX_NOTES:
            more = f"More than these {MAX_NOTES} things are left out."
            self.notes.append(Note("", "", "too-many-notes", more))

    def refuse(self, place: Place, code: str, detail: str, *, breaks: bool = False) -> None:
        """Add a problem, which prevents the import."""
        self.problems.append(Problem(place.full, code, detail))
        self.broken = self.broken or breaks

    def refuse_type(self, place: Place, wanted: str, value: object) -> None:
        """Add a problem about a *value* of the wrong type."""
        detail = f"This must be {wanted}, not {kind_of(value)}."
        self.refuse(place, "wrong-type", detail, breaks=True)

    def members(self, value: object, place: Place) -> Json | None:
        """Return *value* if it is an object, otherwise add a problem."""
        if isinstance(value, dict):
            return value
        self.refuse_type(place, "an object", value)
        return None

    def located(self, problem: Problem) -> Problem:
        """Return a problem of the document with its pointer into the files."""
        pointer = problem.pointer
        while pointer not in self.origins:
            pointer = pointer.rpartition("/")[0]
        origin = self.origins[pointer]
        if pointer.startswith("/edges/"):
            return problem._replace(pointer=origin.full)
        return problem._replace(pointer=origin.below(problem.pointer[len(pointer) :]).full)

    def _unused(self, id: str) -> str:
        unused, number = id, 2
        while unused in self._ids:
            unused, number = f"{id}_{number}", number + 1
        self._ids.add(unused)
        return unused
