"""What changed from one document to another: by element, with JSON pointers."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from .problem_messages import escape

Json = dict[str, t.Any]
Document = Mapping[str, t.Any]
Kind = t.Literal["added", "removed", "changed", "moved"]
Element = t.Literal["document", "node", "edge"]


class Change(t.NamedTuple):
    """One thing that is different."""

    kind: Kind
    element: Element
    id: str | None
    """A node's id, or an edge's ends; None for the document itself."""
    pointer: str
    """Where: into the newer document, or for what was removed into the older one."""
    values: Json
    """``old`` and ``new``, as far as there is one; places in the list for what moved."""


def find_changes(old: Document, new: Document) -> list[Change]:
    """Return what turns the valid document *old* into *new*.

    Nodes are the same if they have the same id, edges if they have the same ends.
    """
    lists = ("nodes", "edges")
    rest_of_old, rest_of_new = (
        {key: value for key, value in document.items() if key not in lists}
        for document in (old, new)
    )
    return [
        *_compare("document", None, rest_of_old, rest_of_new, _At("", "")),
        *_compare_lists("node", _node_key, old["nodes"], new["nodes"]),
        *_compare_lists("edge", _edge_key, old["edges"], new["edges"]),
    ]


def _node_key(node: Json) -> str:
    return str(node["id"])


def _edge_key(edge: Json) -> str:
    return f"{edge['source']} → {edge['target']}"


class _Placed(t.NamedTuple):
    """An element of a list."""

    id: str
    place: int
    value: Json


_Items = Mapping[Hashable, _Placed]


def _compare_lists(
    element: Element, key: Callable[[Json], str], old: Sequence[Json], new: Sequence[Json]
) -> Iterator[Change]:
    before, after = _by_key(key, old), _by_key(key, new)
    for at, item in before.items():
        if at not in after:
            place = f"/{element}s/{item.place}"
            yield Change("removed", element, item.id, place, {"old": item.value})
    moved = _moved(before, after)
    for at, item in after.items():
        place = f"/{element}s/{item.place}"
        if at not in before:
            yield Change("added", element, item.id, place, {"new": item.value})
            continue
        former = before[at]
        if at in moved:
            places = {"old": former.place, "new": item.place}
            yield Change("moved", element, item.id, place, places)
        at_both = _At(f"/{element}s/{former.place}", place)
        yield from _compare(element, item.id, former.value, item.value, at_both)


def _moved(before: _Items, after: _Items) -> set[Hashable]:
    """Return the keys of what stayed and comes at another turn: order counts for tasks."""
    stayed = [at for at in after if at in before]
    turns = sorted(stayed, key=lambda at: before[at].place)
    return {at for at, former in zip(stayed, turns, strict=True) if at != former}


def _by_key(key: Callable[[Json], str], items: Sequence[Json]) -> _Items:
    """Return the items by key; of those with equal keys each has a number, too."""
    found: dict[Hashable, _Placed] = {}
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        id = key(item)
        seen[id] = seen.get(id, 0) + 1
        found[id, seen[id]] = _Placed(id, index, item)
    return found


class _At(t.NamedTuple):
    """Where something is in both documents."""

    old: str
    new: str

    def below(self, name: str) -> _At:
        token = escape(name)
        return _At(f"{self.old}/{token}", f"{self.new}/{token}")


def _compare(
    element: Element, id: str | None, old: object, new: object, at: _At
) -> Iterator[Change]:
    """Yield what differs, member by member; lists are compared as a whole."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if _canonical(old) != _canonical(new):
            yield Change("changed", element, id, at.new, {"old": old, "new": new})
        return
    for name in (name for name in old if name not in new):
        yield Change("removed", element, id, at.below(name).old, {"old": old[name]})
    for name, value in new.items():
        place = at.below(name)
        if name not in old:
            yield Change("added", element, id, place.new, {"new": value})
        else:
            yield from _compare(element, id, old[name], value, place)


def _canonical(value: object) -> str:
    # Python takes 1, 1.0 and True for equal.
    return json.dumps(value, sort_keys=True)
