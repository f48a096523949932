"""Arguments of a tool call as a form."""

from __future__ import annotations

import typing as t

import pytest

from flask_crewexec.dashboard.argument_fields import make_fields
from flask_crewexec.dashboard.argument_fields import read_fields
from flask_crewexec.errors import InvalidRequest

SCHEMA: dict[str, t.Any] = {
    "type": "object",
    "$defs": {"Currency": {"type": "string", "enum": ["EUR", "CHF"]}},
    "properties": {
        "to": {"type": "string", "description": "Who is paid"},
        "amount": {"type": "number"},
        "count": {"type": ["integer", "null"]},
        "currency": {"$ref": "#/$defs/Currency"},
        "urgent": {"type": "boolean"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "parts": {"type": "array", "items": {"type": "integer"}},
        "a/b": {"type": "object"},
        "later": {"type": "string"},
    },
    "required": ["to", "amount", "currency", "urgent", "note"],
}
ARGUMENTS = {
    "to": "Ann\nLee",
    "amount": 1.5,
    "count": 3,
    "currency": "CHF",
    "urgent": False,
    "note": None,
    "parts": [1, 2],
    "a/b": {"x": "ü"},
    "unknown": "x",
}


def entered(**changed: str) -> dict[str, str]:
    """What a browser sends if somebody changes some fields."""
    fields = make_fields(SCHEMA, ARGUMENTS, {})
    return {each.pointer: each.text for each in fields} | {f"/{k}": v for k, v in changed.items()}


def test_each_argument_has_a_field_of_its_kind() -> None:
    fields = {each.name: each for each in make_fields(SCHEMA, ARGUMENTS, {})}
    assert {name: each.kind for name, each in fields.items()} == {
        "to": "text",
        "amount": "number",
        "count": "number",
        "currency": "choice",
        "urgent": "choice",
        "note": "text",
        "parts": "json",
        "a/b": "json",
        "later": "text",
        "unknown": "json",
    }
    assert fields["currency"].choices == ('"EUR"', '"CHF"')
    assert fields["a/b"].pointer == "/a~1b"
    assert fields["to"].description == "Who is paid"
    assert fields["to"].is_required


def test_what_nobody_changes_stays_as_it_is() -> None:
    assert read_fields(SCHEMA, ARGUMENTS, entered()) == ARGUMENTS
    assert read_fields(None, ARGUMENTS, {}) == ARGUMENTS


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("to", "Bob", "Bob"),
        ("to", "", ""),
        ("to", "12", "12"),
        ("amount", "20", 20),
        ("count", "", None),
        ("currency", '"EUR"', "EUR"),
        ("urgent", "true", True),
        ("note", "soon", "soon"),
        ("parts", "[]", []),
        ("later", "x", "x"),
    ],
)
def test_what_somebody_changes_is_read_as_its_type(name: str, text: str, value: object) -> None:
    assert read_fields(SCHEMA, ARGUMENTS, entered(**{name: text})) == {**ARGUMENTS, name: value}


def test_an_argument_that_is_not_required_can_be_left_out() -> None:
    assert "parts" not in read_fields(SCHEMA, ARGUMENTS, entered(parts=""))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("amount", ""),
        ("amount", "many"),
        ("amount", "NaN"),
        ("parts", "[1"),
        ("parts", "[" * 99_999),
    ],
)
def test_what_cannot_be_read_is_named(name: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_fields(SCHEMA, ARGUMENTS, entered(**{name: text}))
    assert [each.pointer for each in refused.value.problems] == [f"/arguments/{name}"]


def test_what_was_entered_is_shown_again() -> None:
    fields = make_fields(SCHEMA, ARGUMENTS, {"/amount": "many"})
    assert {each.name: each.text for each in fields}["amount"] == "many"
