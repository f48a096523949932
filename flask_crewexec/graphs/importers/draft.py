"""A graph document under construction, with the place in the files that each part came from."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection
from collections.abc import Mapping

from ...errors import Note
from ...errors import Problem
from ...errors import Severity
from ..problem_messages import kind_of
from .import_result import Json
from .import_result import Place

MAX_NOTES: t.Final = 200
_SEVERITIES: t.Final[tuple[Severity, ...]] = t.get_args(Severity)
_INVALID_IN_IDS = re.compile(r"[^A-Za-z0-9_.:-]+")


class _Node(t.NamedTuple):
    node: Json
    place: Place
    fields: Mapping[str, Place]


class _Edge(t.NamedTuple):
    edge: Json
    place: Place


class Draft:
    """Nodes, edges, notes and problems of a document.

    It is ``broken`` if parts are missing, whose absence would mislead the checks of graphs.
    """

    def __init__(self, top: Json, place: Place) -> None:
        self.top = top
        """The members of the document except nodes and edges."""
        self.problems: list[Problem] = []
        self.broken = False
        self.complete: Json | None = None
        """A whole document, instead of single nodes and edges."""
        self.origins: dict[str, Place] = {"": place}
        """Places in the files, by pointers into the document except nodes and edges."""
        self._notes: list[Note] = []
        self._worst_unlisted: Severity | None = None
        self._nodes: dict[str, _Node] = {}
        self._edges: list[_Edge] = []
        self._ids: set[str] = set()

    @property
    def document(self) -> Json:
        """The document so far."""
        if self.complete is not None:
            return self.complete
        nodes = [each.node for each in self._nodes.values()]
        return {"version": 1, **self.top, "nodes": nodes, "edges": [*self.edges]}

    @property
    def edges(self) -> list[Json]:
        """The edges so far."""
        return [each.edge for each in self._edges]

    @property
    def notes(self) -> tuple[Note, ...]:
        """The notes; the last of too many says how much the ones matter that are not listed."""
        if self._worst_unlisted is None:
            return tuple(self._notes)
        more = f"There are more than these {MAX_NOTES} notes."
        return (*self._notes, Note("", "", "too-many-notes", more, self._worst_unlisted))

    @property
    def lists_no_more_notes(self) -> bool:
        """Whether there are so many notes that details of others are not needed."""
        return len(self._notes) >= MAX_NOTES

    def __contains__(self, id: str) -> bool:
        """Return whether there is a node with this id."""
        return id in self._nodes

    def data(self, id: str) -> Json:
        """Return the data of a node, which may be changed."""
        return t.cast(Json, self._nodes[id].node["data"])

    def add_node(
        self, id: str, type: str, data: Json, place: Place, fields: Mapping[str, Place]
    ) -> str:
        """Add a node and return its id, which is *id* or a valid and unused one like it.

        :param fields: the places of members of *data*, unless they are below *place*.
        """
        id = self._unused(_INVALID_IN_IDS.sub("_", id)[:90] or type)
        self._nodes[id] = _Node({"id": id, "type": type, "data": data}, place, fields)
        return id

    def add_edge(self, source: str, target: str, place: Place, type: str | None = None) -> None:
        """Add an edge."""
        typed = {} if type is None else {"type": type}
        self._edges.append(_Edge({"source": source, "target": target, **typed}, place))

    def remove(self, ids: Collection[str]) -> None:
        """Remove nodes, the tools and models that only they use, and the notes about them."""
        places = [self._nodes[id].place for id in ids]
        self._notes = [note for note in self._notes if not any(map(_is_about(note), places))]
        used = {each.edge["source"] for each in self._edges}
        self._edges = [
            each for each in self._edges if not {each.edge["source"], each.edge["target"]} & {*ids}
        ]
        unused = used - {each.edge["source"] for each in self._edges}
        for id in [*self._nodes]:
            is_resource = self._nodes[id].node["type"] in ("tool", "llm")
            if id in ids or (is_resource and id in unused):
                del self._nodes[id]

    def add_note(
        self, place: Place, code: str, detail: str, severity: Severity = "changed"
    ) -> None:
        """Add a note about something that is left out or replaced."""
        if not self.lists_no_more_notes:
            self._notes.append(Note(place.file, place.pointer, code, detail, severity))
        else:
            found = (self._worst_unlisted or severity, severity)
            self._worst_unlisted = max(found, key=_SEVERITIES.index)

    def refuse(
        self, place: Place, code: str, detail: str, hint: str = "", *, breaks: bool = False
    ) -> None:
        """Add a problem, which prevents the import."""
        self.problems.append(Problem(place.full, code, detail, hint))
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
        origins = self._all_origins()
        pointer = problem.pointer
        while pointer not in origins:
            pointer = pointer.rpartition("/")[0]
        origin = origins[pointer]
        if pointer.startswith("/edges/"):
            return problem._replace(pointer=origin.full)
        return problem._replace(pointer=origin.below(problem.pointer[len(pointer) :]).full)

    def _all_origins(self) -> dict[str, Place]:
        origins = dict(self.origins)
        for at, (_, place, fields) in enumerate(self._nodes.values()):
            pointer = f"/nodes/{at}"
            origins[pointer] = origins[f"{pointer}/data"] = place
            origins[f"{pointer}/id"] = fields.get("name", place)
            origins.update({f"{pointer}/data/{name}": found for name, found in fields.items()})
        origins.update({f"/edges/{at}": each.place for at, each in enumerate(self._edges)})
        return origins

    def _unused(self, id: str) -> str:
        unused, number = id, 2
        while unused in self._ids:
            unused, number = f"{id}_{number}", number + 1
        self._ids.add(unused)
        return unused


def _is_about(note: Note) -> t.Callable[[Place], bool]:
    def check(place: Place) -> bool:
        inside = note.pointer == place.pointer or note.pointer.startswith(f"{place.pointer}/")
        return note.file == place.file and inside

    return check
