"""Changes between two documents, by element, with JSON pointers."""

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
    """A difference between two documents."""

    kind: Kind
    element: Element
    id: str | None
    """A node's id, or an edge's ends; None for the document itself."""
    pointer: str
    """JSON pointer into the newer document; for removed values into the older one."""
    values: Json
    """``old`` and ``new``, if they exist; for moved elements their positions in the list."""

    def as_json(self) -> Json:
        """Return the change as one object."""
        fields = self._asdict()
        del fields["values"]
        return {**fields, **self.values}


def find_changes(old: Document, new: Document) -> list[Change]:
    """Return the changes from the valid document *old* to *new*.

    Nodes are identified by their ids, edges by their ends.
    """
    lists = ("nodes", "edges")
    rest_of_old, rest_of_new = (
        {key: value for key, value in document.items() if key not in lists}
        for document in (old, new)
    )
    return [
        *_compare("document", None, rest_of_old, rest_of_new, _Pointers("", "")),
        *_compare_lists("node", _node_key, old["nodes"], new["nodes"]),
        *_compare_lists("edge", _edge_key, old["edges"], new["edges"]),
    ]


def _node_key(node: Json) -> str:
    return str(node["id"])


def _edge_key(edge: Json) -> str:
    return f"{edge['source']} → {edge['target']}"


class _Item(t.NamedTuple):
    """An element of a list."""

    id: str
    position: int
    value: Json


_Items = Mapping[Hashable, _Item]


def _compare_lists(
    element: Element, key: Callable[[Json], str], old: Sequence[Json], new: Sequence[Json]
) -> Iterator[Change]:
    before, after = _by_key(key, old), _by_key(key, new)
    for identity, item in before.items():
        if identity not in after:
            pointer = f"/{element}s/{item.position}"
            yield Change("removed", element, item.id, pointer, {"old": item.value})
    moved = _moved(before, after)
    for identity, item in after.items():
        pointer = f"/{element}s/{item.position}"
        if identity not in before:
            yield Change("added", element, item.id, pointer, {"new": item.value})
            continue
        old_item = before[identity]
        if identity in moved:
            indices = {"old": old_item.position, "new": item.position}
            yield Change("moved", element, item.id, pointer, indices)
        pointers = _Pointers(f"/{element}s/{old_item.position}", pointer)
        yield from _compare(element, item.id, old_item.value, item.value, pointers)


def _moved(before: _Items, after: _Items) -> set[Hashable]:
    """Return the keys of elements in another order, which matters for tasks."""
    kept = [key for key in after if key in before]
    old_order = sorted(kept, key=lambda key: before[key].position)
    return {key for key, old_key in zip(kept, old_order, strict=True) if key != old_key}


def _by_key(key: Callable[[Json], str], items: Sequence[Json]) -> _Items:
    """Return the items by key and number, which tells items with equal keys apart."""
    found: dict[Hashable, _Item] = {}
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        id = key(item)
        seen[id] = seen.get(id, 0) + 1
        found[id, seen[id]] = _Item(id, index, item)
    return found


class _Pointers(t.NamedTuple):
    """The pointers to a value in both documents."""

    old: str
    new: str

    def below(self, name: str) -> _Pointers:
        token = escape(name)
        return _Pointers(f"{self.old}/{token}", f"{self.new}/{token}")


def _compare(
    element: Element, id: str | None, old: object, new: object, pointers: _Pointers
) -> Iterator[Change]:
    """Yield the differences by member; lists are compared as a whole."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if _canonical(old) != _canonical(new):
            yield Change("changed", element, id, pointers.new, {"old": old, "new": new})
        return
    for name in (name for name in old if name not in new):
        yield Change("removed", element, id, pointers.below(name).old, {"old": old[name]})
    for name, value in new.items():
        below = pointers.below(name)
        if name not in old:
            yield Change("added", element, id, below.new, {"new": value})
        else:
            yield from _compare(element, id, old[name], value, below)


def _canonical(value: object) -> str:
    # In Python 1, 1.0 and True are equal.
    return json.dumps(value, sort_keys=True)
