"""Arguments of a tool call as a form."""

from __future__ import annotations

import json
import re
import typing as t

import pytest

from flask_crewexec.dashboard.answer_forms import read_entered
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


UNUSUAL: dict[str, tuple[dict[str, t.Any], t.Any]] = {
    "line breaks that browsers change": ({"type": "string"}, "a\r\nb\rc"),
    "a null character": ({"type": "string"}, "a\0b"),
    "an empty text": ({"type": ["string", "null"]}, ""),
    "leading line breaks": ({"type": "string"}, "\n\n a \t"),
    "a very long text": ({"type": "string"}, "x" * 300_000),
    "characters beyond the first plane": ({"type": "string"}, "\U0001f41d\u202e\u2028"),
    "a text that looks like JSON": ({"type": "string"}, "null"),
    "a date": ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00+01:00"),
    "an integer beyond 2**53": ({"type": "integer"}, 2**64 + 1),
    "a float": ({"type": "number"}, 0.1 + 0.2),
    "a whole float": ({"type": "number"}, 1.0),
    "a huge float": ({"type": "number"}, 1e300),
    "minus zero": ({"type": "number"}, -0.0),
    "a text where a number belongs": ({"type": "number"}, "5\n6"),
    "numbers to choose from": ({"enum": [1, 2.5, None, True, "1"]}, 2.5),
    "a text like another choice": ({"enum": [1, "1"]}, "1"),
    "a value that is no choice": ({"enum": ["a", "b"]}, "c"),
    "a boolean that is none": ({"type": "boolean"}, "yes"),
    "a constant": ({"const": "x"}, "x"),
    "a nullable choice": ({"anyOf": [{"enum": ["a"]}, {"type": "null"}]}, None),
    "a nullable reference": ({"anyOf": [{"$ref": "#/$defs/Currency"}, {"type": "null"}]}, "CHF"),
    "a reference that leads nowhere": ({"$ref": "#/$defs/Unknown"}, {"x": [1]}),
    "two types": ({"type": ["string", "integer"]}, "7"),
    "two schemas": ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 7),
    "nested objects": ({"type": "object", "properties": {"a": {}}}, {"a": [{"b": None}], "": 1}),
    "lists": ({"type": "array", "items": {"type": "string"}}, ["a\r\n", "", "\u200b"]),
    "any value": (t.cast("dict[str, t.Any]", True), {"a": 1}),
    "unknown keywords": ({"x-widget": "slider", "allOf": [{"type": "string"}]}, "a"),
}


def as_browsers_send(text: str) -> str:
    """What a text area, a select or an input sends, if nobody changes it."""
    return re.sub(r"\r\n?|\n", "\r\n", text.replace("\0", "\ufffd"))


@pytest.mark.parametrize("is_required", [True, False], ids=["required", "optional"])
@pytest.mark.parametrize(("schema", "value"), UNUSUAL.values(), ids=UNUSUAL)
def test_what_nobody_changes_is_exactly_what_was_shown(
    schema: dict[str, t.Any], value: object, is_required: bool
) -> None:
    whole = {**SCHEMA, "properties": {"x": schema}, "required": ["x"] if is_required else []}
    (field,) = make_fields(whole, {"x": value}, {})
    is_offered = field.text in field.choices or (field.text == "" and not is_required)
    assert field.kind != "choice" or is_offered or value is None
    sent = read_entered({field.form_name: as_browsers_send(field.text)})
    read = read_fields(whole, {"x": value}, sent)
    assert json.dumps(read) == json.dumps({"x": value})  # 1, 1.0 and true are equal, but differ


@pytest.mark.parametrize("name", ['a"b', "a\r\nb", "a%22b", "ä/~", "a\0"])
def test_names_that_browsers_change_find_their_field(name: str) -> None:
    schema = {"properties": {name: {"type": "string"}}}
    (field,) = make_fields(schema, {name: "x"}, {})
    assert not re.search('["\r\n\0]', field.form_name)
    assert read_fields(schema, {name: "x"}, {field.form_name: "y"}) == {name: "y"}
    (again,) = make_fields(schema, {name: "x"}, {field.form_name: "y"})
    assert again.text == "y"


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
