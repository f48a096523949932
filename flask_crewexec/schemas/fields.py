"""Fields for text that every database can store, moments, and user ids."""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from collections.abc import Collection
from collections.abc import Mapping

import marshmallow as ma
from marshmallow import fields
from marshmallow import validate

from .. import clock
from ..identity import normalize_user_id

MAX_INTEGER = 2**31 - 1


class Moment(fields.DateTime):
    """A moment in UTC as ISO 8601 with its offset, also where the database stores none."""

    def _serialize(
        self, value: dt.datetime | None, attr: str | None, obj: t.Any, **kwargs: t.Any
    ) -> str | float | None:
        return super()._serialize(clock.as_utc(value), attr, obj, **kwargs)


class JsonBoolean(fields.Boolean):
    """Takes ``true`` and ``false``, and no numbers or words that stand for them."""

    def _deserialize(self, value: t.Any, *args: t.Any, **kwargs: t.Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


_DUMPED_AS_THEY_ARE: t.Final[dict[type[fields.Field[t.Any]], type]] = {
    fields.String: str,
    fields.Integer: int,
    fields.Float: float,
    fields.Boolean: bool,
}
"""Types of values that the fields of a class do not change."""


class RowSchema(ma.Schema):
    """Dumps objects by attribute, without the detours of marshmallow, which add up to most of it.

    It does not look for keys first, reads each attribute once, and passes on what its fields would
    not change.
    """

    def __init__(self, **options: t.Any) -> None:
        super().__init__(**options)
        self._columns = [
            (
                field.data_key or name,
                field.attribute or name,
                _DUMPED_AS_THEY_ARE.get(type(field)),
                name,
                field,
            )
            for name, field in self.dump_fields.items()
        ]

    def dump(self, obj: t.Any, *, many: bool | None = None) -> t.Any:
        if self.many if many is None else many:
            return [self._dump_row(each) for each in obj]
        return self._dump_row(obj)

    def _dump_row(self, row: t.Any) -> dict[str, t.Any]:
        dumped = {}
        for key, attribute, unchanged, name, field in self._columns:
            value = getattr(row, attribute, ma.missing)
            if value is ma.missing:
                value = field.serialize(name, row, accessor=self.get_attribute)
            elif value is not None and type(value) is not unchanged:
                value = field._serialize(value, name, row)
            if value is not ma.missing:
                dumped[key] = value
        return dumped

    def get_attribute(self, obj: t.Any, attr: str, default: t.Any) -> t.Any:
        return getattr(obj, attr, default)


_LINE: t.Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_LINES: t.Final = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
"""Patterns for OpenAPI of what :class:`Text` accepts."""


class Text(fields.String):
    """Text that every database can store: no control characters, no lone surrogates."""

    def __init__(
        self, low: int, high: int | None, *, lines: bool = False, **options: t.Any
    ) -> None:
        """Accept from *low* to *high* characters; *lines* allows line breaks and tabs."""
        check = _check_lines if lines else _check_line
        metadata = {"pattern": _LINES if lines else _LINE, **options.pop("metadata", {})}
        super().__init__(validate=[validate.Length(low, high), check], metadata=metadata, **options)


class Texts(fields.Dict):
    """Texts by name; a problem's pointer is that of the text."""

    def __init__(self, text: Text, **options: t.Any) -> None:
        super().__init__(keys=fields.String(), values=text, **options)

    def _deserialize(self, value: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]
        except ma.ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            texts = {key: each.get("value", each) for key, each in error.messages.items()}
            raise ma.ValidationError(texts) from error


# Not validate.Regexp, which would put Python's syntax into the OpenAPI document.
def _check_line(text: str) -> None:
    if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", text):
        raise ma.ValidationError("Contains a control character or a lone surrogate. Remove it.")


def _check_lines(text: str) -> None:
    _check_line(re.sub(r"[\t\n\r]", " ", text))


class CommaSeparated(fields.String):
    """A list of values in one parameter of a URL, separated by commas."""

    def __init__(
        self, each: fields.Field[t.Any], pattern: str, *, most: int, **options: t.Any
    ) -> None:
        """Accept from one to *most* values.

        :param each: loads a value.
        :param pattern: what a value looks like, as a regular expression for OpenAPI.
        """
        several = f"^{pattern}(,{pattern}){{0,{most - 1}}}$"
        metadata = {"pattern": several, **options.pop("metadata", {})}
        super().__init__(metadata=metadata, **options)
        self._each = each
        self._most = most

    def _deserialize(self, value: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        # Code in Python passes the values themselves.
        is_list = isinstance(value, Collection) and not isinstance(value, str)
        texts = value if is_list else super()._deserialize(value, *args, **kwargs).split(",")
        if len(texts) > self._most:
            raise ma.ValidationError(f"At most {self._most} values are allowed.")
        loaded, errors = [], {}
        for index, text in enumerate(texts):
            try:
                loaded.append(self._each.deserialize(text))
            except ma.ValidationError as error:
                errors[index] = error.messages
        if errors:
            raise ma.ValidationError(t.cast("t.Any", errors))
        return loaded


class UserId(Text):
    """The host's id of a user."""

    def __init__(self) -> None:
        super().__init__(1, 255, required=True, metadata={"description": "Id of the user"})

    def _deserialize(
        self, value: t.Any, attr: str | None, data: Mapping[str, t.Any] | None, **kwargs: t.Any
    ) -> str:
        try:
            return normalize_user_id(value)
        except (TypeError, ValueError) as error:
            raise ma.ValidationError(str(error)) from error
