"""The catalogue of event types names exactly the events that the package appends."""

from __future__ import annotations

import ast
import typing as t
from collections.abc import Iterator
from pathlib import Path

import flask_crewexec
from flask_crewexec.schemas import EVENT_TYPES
from flask_crewexec.schemas import STREAM_EVENT_TYPES
from flask_crewexec.statuses import TERMINAL

_PACKAGE: t.Final = Path(flask_crewexec.__file__).parent
_EMITTERS: t.Final = frozenset({"NewEvent", "add_event", "_add_event", "_end_call"})
"""Functions whose first argument is the type of an event."""
_COMMON: t.Final = {
    "_end_call": {"model", "agent", "step", "seconds"},
    "_add_event": {"step"},
}
"""Fields that some of them add."""


class _Emitted(t.NamedTuple):
    type: str
    fields: frozenset[str]
    is_open: bool
    """Whether the fields of the call are not all literal."""


def _emitted() -> Iterator[_Emitted]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in _PACKAGE.rglob("*.py")]
    constants = dict(pair for tree in trees for pair in _constants(tree))
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and _name(node.func) in _EMITTERS:
                first = node.args[0]
                type = (
                    first.value if isinstance(first, ast.Constant) else constants.get(_name(first))
                )
                if isinstance(type, str):
                    yield _Emitted(type, *_fields(node))


def _constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
            yield _name(node.target), node.value.value


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _fields(call: ast.Call) -> tuple[frozenset[str], bool]:
    names = {keyword.arg for keyword in call.keywords}
    given = call.args[1] if len(call.args) > 1 else None
    if isinstance(given, ast.Dict):
        keys = (key.value if isinstance(key, ast.Constant) else None for key in given.keys)
        names |= {key if isinstance(key, str) else None for key in keys}
    found = {name for name in names if isinstance(name, str)} | _COMMON.get(_name(call.func), set())
    return frozenset(found), None in names or _name(call.func) == "_end_call"


def test_lists_each_type_of_the_package_and_no_other() -> None:
    assert {event.type for event in _emitted()} | TERMINAL == set(EVENT_TYPES)


def test_knows_each_field_of_the_package() -> None:
    for event in _emitted():
        assert event.fields <= set(EVENT_TYPES[event.type].fields), event.type


def test_tells_required_fields_from_optional_ones() -> None:
    for event in _emitted():
        if not event.is_open:
            fields = EVENT_TYPES[event.type].fields.items()
            assert {name for name, field in fields if not field.optional} <= event.fields, event


def test_has_sentences() -> None:
    for type, known in {**EVENT_TYPES, **STREAM_EVENT_TYPES}.items():
        assert known.meaning.endswith("."), type
        assert all(field.meaning.endswith(".") for field in known.fields.values()), type
