"""Describe the changes between two versions of a graph for people."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from ..graphs import Change
from ..graphs import find_changes
from .formatting import pretty
from .formatting import spoken
from .text_diff import compare
from .text_diff import Piece

Json = dict[str, t.Any]
Names = Mapping[str, str]

_LAYOUT: t.Final = frozenset({"position", "width", "height", "measured", "style", "selected"})
"""Members of nodes that only say where an editor draws them."""
_MEMBERS: t.Final = {"process": "Process", "name": "Name", "inputs": "Inputs"}
_MAX_INLINE: t.Final = 80
"""Longer values are compared in a block of their own."""


class ChangeDescription(t.NamedTuple):
    """A change as the page shows it."""

    kind: str
    """``added``, ``removed``, ``changed`` or ``moved``."""
    subject: str
    """What has changed, such as "Task “Facts”: description"."""
    detail: str
    """From what to what, as words; empty for long values."""
    pieces: Sequence[Piece]
    """The difference of long values; empty for short ones."""


class Changes(t.NamedTuple):
    """What changed from one version to another."""

    meant: Sequence[ChangeDescription]
    """What changes what the crew does."""
    drawn: int
    """How many changes only concern where an editor draws nodes."""


def describe_changes(older: Json, newer: Json) -> Changes:
    """Return the changes from the document *older* to *newer*."""
    found = find_changes(older, newer)
    meant = [change for change in found if not _is_layout(change)]
    names = {**_names_of(older), **_names_of(newer)}
    return Changes([_describe(change, names) for change in meant], len(found) - len(meant))


def _is_layout(change: Change) -> bool:
    return change.element == "node" and _member_of(change)[:1] in {(name,) for name in _LAYOUT}


def _names_of(document: Json) -> dict[str, str]:
    """Return what people call each node, by its id."""
    return {node["id"]: _name_of(node) for node in document["nodes"]}


def _name_of(node: Json) -> str:
    data = node.get("data", {})
    name = data.get("name") or data.get("role") or node["id"]
    return f"{str(node.get('type', 'node')).capitalize()} “{name}”"


def _member_of(change: Change) -> tuple[str, ...]:
    """Return the names that lead to the value within its element."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in change.pointer.split("/")[1:]]
    return tuple(parts if change.element == "document" else parts[2:])


def _describe(change: Change, names: Names) -> ChangeDescription:
    subject = _subject_of(change, names)
    if change.kind == "moved":
        old, new = (change.values[side] + 1 for side in ("old", "new"))
        return ChangeDescription("moved", subject, f"from position {old} to {new}", ())
    if not _member_of(change):
        return ChangeDescription(change.kind, subject, "", ())
    old, new = (_text_of(change.values.get(side)) for side in ("old", "new"))
    if max(len(old), len(new)) > _MAX_INLINE or "\n" in old + new:
        pieces = compare(old, new) or [Piece("removed", old), Piece("added", new)]
        return ChangeDescription(change.kind, subject, "", pieces)
    return ChangeDescription(change.kind, subject, _in_words(change.kind, old, new), ())


def _subject_of(change: Change, names: Names) -> str:
    members = _member_of(change)
    if change.element == "document":
        first, *rest = members
        return " ".join([_MEMBERS.get(first, spoken(first).capitalize()), *rest])
    path = [spoken(part) for part in members if part != "data"]
    return ": ".join([_element_of(change, names), *([" ".join(path)] if path else [])])


def _element_of(change: Change, names: Names) -> str:
    id = change.id or ""
    if change.element == "node":
        return names.get(id, id)
    source, _, target = id.partition(" → ")
    return f"Connection from {names.get(source, source)} to {names.get(target, target)}"


def _in_words(kind: str, old: str, new: str) -> str:
    if kind == "changed":
        return f"from {old} to {new}"
    return new if kind == "added" else old


def _text_of(value: object) -> str:
    if value is None:
        return ""
    return f"“{value}”" if isinstance(value, str) and len(value) <= _MAX_INLINE else _whole(value)


def _whole(value: object) -> str:
    return value if isinstance(value, str) else pretty(value)
