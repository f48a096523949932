"""``.. settings::`` describes the settings that its content names, as the code declares them."""

from __future__ import annotations

import ast
import dataclasses
import datetime as dt
import inspect
import typing as t

from generated import entry
from generated import GeneratedDirective
from generated import Lines
from generated import literal
from sphinx.application import Sphinx

from flask_crewexec.config.call_log import DurationPerUser
from flask_crewexec.config.call_log import KeptPerUser
from flask_crewexec.config.per_user_limits import PerUserLimit
from flask_crewexec.config.pricing import Prices
from flask_crewexec.config.settings import PREFIX
from flask_crewexec.config.settings import Settings

_TYPES: t.Final[dict[object, str]] = {
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "number",
    dt.timedelta: "``datetime.timedelta``",
}
_HINTS: t.Final = t.get_type_hints(Settings)
_FIELDS: t.Final = {field.name: field for field in dataclasses.fields(Settings)}


class SettingsDirective(GeneratedDirective):
    """Each line of the content is the name of a setting, without its prefix."""

    def lines(self) -> Lines:
        """Yield a description of each named setting, in this order."""
        texts = _docstrings()
        for name in self.content:
            field = _FIELDS[name.lower().removeprefix(PREFIX.lower())]
            yield from _describe(field, texts[field.name])


def _describe(field: dataclasses.Field[t.Any], text: str) -> Lines:
    key = PREFIX + field.name.upper()
    options = {"type": _type(field), "default": _default(field), "no_contents_entry": ""}
    yield from entry("confval", key, [text], **options)


def _docstrings() -> dict[str, str]:
    """Return the string that follows each field in the source."""
    (cls,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(cls, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in zip(cls.body, cls.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }


def _type(field: dataclasses.Field[t.Any]) -> str:
    hint = _HINTS[field.name]
    if hint == PerUserLimit:
        return "integer, function from a user's id to one, or ``None``"
    if hint == Prices:
        return "mapping of models to their prices"
    if hint == KeptPerUser:
        return '``"content"``, ``"shape"`` or ``"off"``, or function of a user\'s id'
    if hint == DurationPerUser:
        return "``datetime.timedelta``, or function from a user's id to one"
    kinds = t.get_args(hint) or (hint,)
    optional = " or ``None``" if type(None) in kinds else ""
    return _TYPES[kinds[0]] + _range(kinds[0], field) + optional


def _range(kind: object, field: dataclasses.Field[t.Any]) -> str:
    if kind not in (int, float):
        return ""
    minimum = field.metadata.get("minimum")
    return " greater than zero" if minimum is None else f", {minimum} or more"


def _default(field: dataclasses.Field[t.Any]) -> str:
    value = getattr(Settings(), field.name)
    if isinstance(value, dt.timedelta):
        return literal(_timedelta(value))
    if isinstance(value, str):
        return literal(f'"{value}"')
    return literal(f"{value:_}" if type(value) in (int, float) else value)


def _timedelta(value: dt.timedelta) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        count, rest = divmod(value.total_seconds(), length)
        if count and not rest:
            return f"timedelta({unit}={count:.0f})"
    return f"timedelta(seconds={value.total_seconds():g})"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("settings", SettingsDirective)
    return {"parallel_read_safe": True}
