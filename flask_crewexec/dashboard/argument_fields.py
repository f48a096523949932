"""The arguments of a tool call as fields of a form, which its JSON Schema describes."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from ..errors import InvalidRequest
from ..errors import Problem

Json = dict[str, t.Any]

_MISSING: t.Final = object()
_NUMBERS: t.Final = ("integer", "number")
_NO_NUMBER: t.Final = "Write a number, with a point before decimals."
_NO_JSON: t.Final = "This is not JSON. Texts are written in double quotes."
_INVALID: t.Final = "invalid-answer"
_CHANGED_BY_FORMS: t.Final = re.compile("[\r\0]")
"""Browsers send other line breaks, and do not show NUL."""
_CHANGED_IN_NAMES: t.Final = re.compile('[%"\r\n\0]')


class ArgumentField(t.NamedTuple):
    """One field of the form."""

    pointer: str
    """JSON pointer to the argument within the arguments."""
    name: str
    kind: str
    """``text``, ``number``, ``choice`` or ``json``."""
    text: str
    """What is in the field; JSON, except for the kind ``text``."""
    choices: tuple[str, ...]
    """JSON of the values that may be chosen."""
    description: str
    is_required: bool

    @property
    def form_name(self) -> str:
        """Name of the field in the form."""
        return _form_name(self.pointer)

    @property
    def options(self) -> list[tuple[str, str]]:
        """The choices, each with what people read: texts without quotes if all are texts."""
        texts = [json.loads(choice) for choice in self.choices]
        are_texts = all(isinstance(text, str) for text in texts)
        return [*zip(self.choices, texts if are_texts else self.choices, strict=True)]


class _Argument(t.NamedTuple):
    name: str
    schema: Json
    is_required: bool
    may_be_null: bool
    value: object
    """What the tool would be called with; ``_MISSING`` if the call leaves it out."""

    @property
    def pointer(self) -> str:
        return "/" + self.name.replace("~", "~0").replace("/", "~1")

    @property
    def choices(self) -> tuple[str, ...]:
        if "const" in self.schema:
            values = [self.schema["const"]]
        elif self.schema.get("type") == "boolean":
            values = [True, False]
        else:
            values = self.schema.get("enum", [])
        return tuple(map(_as_json, values))

    @property
    def kind(self) -> str:
        if self.choices and (self._is_left_out or _as_json(self.value) in self.choices):
            return "choice"
        if self.schema.get("type") == "string" and (self._is_left_out or self._is_text):
            return "text"
        return "number" if self.schema.get("type") in _NUMBERS else "json"

    @property
    def _is_text(self) -> bool:
        return isinstance(self.value, str) and not _CHANGED_BY_FORMS.search(self.value)

    @property
    def _is_left_out(self) -> bool:
        """Return whether an empty field stands for the value."""
        return self.value is _MISSING or (self.value is None and self.may_be_null)

    @property
    def text(self) -> str:
        if self._is_left_out:
            return ""
        return str(self.value) if self.kind == "text" else _as_json(self.value)

    def read(self, text: str) -> object:
        """Return the value that *text* stands for.

        :raises ValueError: if it stands for none.
        """
        if self.kind == "text" and (text or self._is_text or self._must_be_text):
            return text
        if text:
            return _read_json(text, _NO_NUMBER if self.kind == "number" else _NO_JSON)
        if self.may_be_null and (self.is_required or self.value is not _MISSING):
            return None
        if self.is_required:
            raise ValueError("A value is needed.")
        return _MISSING

    @property
    def _must_be_text(self) -> bool:
        return self.is_required and not self.may_be_null


def make_fields(
    schema: Json | None, arguments: Json, entered: Mapping[str, str]
) -> list[ArgumentField]:
    """Return the fields of the form.

    :param arguments: those with which the tool would be called.
    :param entered: what was written into the fields before, by their names.
    """
    return [
        ArgumentField(
            each.pointer,
            each.name,
            each.kind,
            entered.get(_form_name(each.pointer), each.text),
            each.choices,
            str(each.schema.get("description", "")),
            each.is_required,
        )
        for each in _arguments(schema or {}, arguments)
    ]


def read_fields(
    schema: Json | None, arguments: Json, form: Mapping[str, str], root: str = "/arguments"
) -> Json:
    """Return the arguments that a form has.

    :param root: JSON pointer to the arguments, for problems.
    :raises InvalidRequest: if one cannot be read.
    """
    values: Json = {}
    problems = []
    for each in _arguments(schema or {}, arguments):
        try:
            value = each.read(form.get(_form_name(each.pointer), each.text))
        except (ValueError, RecursionError) as error:
            problems.append(Problem(f"{root}{each.pointer}", _INVALID, str(error)))
        else:
            values.update({} if value is _MISSING else {each.name: value})
    if problems:
        raise InvalidRequest("The arguments cannot be used.", problems)
    return values


def _form_name(pointer: str) -> str:
    """Return the name of a field, without what browsers change in names."""
    return _CHANGED_IN_NAMES.sub(lambda found: f"%{ord(found[0]):02X}", pointer)


def _arguments(schema: Json, values: Json) -> Iterator[_Argument]:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    for name in {**properties, **values}:
        plain, may_be_null = _simplify(properties.get(name, {}), schema)
        yield _Argument(name, plain, name in required, may_be_null, values.get(name, _MISSING))


def _simplify(schema: object, root: Json) -> tuple[Json, bool]:
    """Return a schema without references and without null, and whether null is allowed."""
    plain = _resolve(schema, root)
    either = plain.get("anyOf") or plain.get("oneOf") or ()
    options = [_resolve(option, root) for option in either]
    others = [option for option in options if option.get("type") != "null"]
    if len(others) == 1:
        plain = {**plain, **others[0]}
    types = plain.get("type")
    if isinstance(types, list):
        named = [each for each in types if each != "null"]
        plain = {**plain, "type": named[0] if len(named) == 1 else None}
    return plain, len(others) < len(options) or (isinstance(types, list) and "null" in types)


def _resolve(schema: object, root: Json) -> Json:
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref", "")
    named = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
    return {**named, **schema} if isinstance(named, dict) else schema


def _as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _read_json(text: str, wrong: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ValueError(wrong) from error


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
