"""A graph document while it is made, which remembers where each part came from."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ...errors import Problem
from .import_result import Json
from .import_result import Note
from .import_result import Place

MAX_NOTES: t.Final = 200
_UNFIT = re.compile(r"[^A-Za-z0-9_.:-]+")


class Draft:
    """Nodes, edges, notes and problems; ``broken`` if what is missing would mislead checks."""

    def __init__(self, top: Json, place: Place) -> None:
        self.top = top
        self.notes: list[Note] = []
        self.problems: list[Problem] = []
        self.broken = False
        self.whole: Json | None = None
        """A document that came in one piece, instead of nodes and edges."""
        self.origins: dict[str, Place] = {"": place}
        self._nodes: list[Json] = []
        self._edges: list[Json] = []
        self._ids: set[str] = set()

    @property
    def document(self) -> Json:
        """The document as far as it is made."""
        if self.whole is not None:
            return self.whole
        return {"version": 1, **self.top, "nodes": self._nodes, "edges": self._edges}

    def node(
        self, id: str, type: str, data: Json, place: Place, fields: Mapping[str, Place]
    ) -> str:
        """Add a node and return its id, which is like *id* but free and allowed.

        :param fields: where the members of *data* came from, unless they are below *place*.
        """
        id = self._free(_UNFIT.sub("_", id)[:90] or type)
        pointer = f"/nodes/{len(self._nodes)}"
        self.origins[pointer] = self.origins[f"{pointer}/data"] = place
        self.origins[f"{pointer}/id"] = fields.get("name", place)
        self.origins.update({f"{pointer}/data/{name}": at for name, at in fields.items()})
        self._nodes.append({"id": id, "type": type, "data": data})
        return id

    def edge(self, source: str, target: str, place: Place, type: str | None = None) -> None:
        """Add an edge."""
        self.origins[f"/edges/{len(self._edges)}"] = place
        named = {} if type is None else {"type": type}
        self._edges.append({"source": source, "target": target, **named})

    def note(self, place: Place, code: str, detail: str) -> None:
        """Remember something that is left out."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(Note(place.file, place.pointer, code, detail))
        elif len(self.notes) == MAX_NOTES:
            more = f"More than these {MAX_NOTES} things are left out."
            self.notes.append(Note("", "", "too-many-notes", more))

    def refuse(self, place: Place, code: str, detail: str, *, breaks: bool = False) -> None:
        """Remember something that keeps the files from being imported."""
        self.problems.append(Problem(place.full, code, detail))
        self.broken = self.broken or breaks

    def located(self, problem: Problem) -> Problem:
        """Return a problem of the document as one of the files."""
        pointer = problem.pointer
        while pointer not in self.origins:
            pointer = pointer.rpartition("/")[0]
        origin = self.origins[pointer]
        if pointer.startswith("/edges/"):
            return problem._replace(pointer=origin.full)
        return problem._replace(pointer=origin.below(problem.pointer[len(pointer) :]).full)

    def _free(self, id: str) -> str:
        free, number = id, 2
        while free in self._ids:
            free, number = f"{id}_{number}", number + 1
        self._ids.add(free)
        return free
