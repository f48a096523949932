"""Rows are dumped as marshmallow would dump them, with fewer detours."""

from __future__ import annotations

import datetime as dt
import enum
import types
import uuid

import marshmallow as ma
import pytest
from marshmallow import fields

from flask_crewexec.schemas import IdempotencyHeaderSchema
from flask_crewexec.schemas import QueueRequestSchema
from flask_crewexec.schemas import SubmissionSchema
from flask_crewexec.schemas.fields import Moment
from flask_crewexec.schemas.fields import RowSchema


class Colour(enum.StrEnum):
    RED = "red"


class _Inner:
    name = fields.String()


class _Outer:
    id = fields.UUID()
    text = fields.String()
    number = fields.Integer()
    share = fields.Float()
    is_true = fields.Boolean()
    at = Moment()
    document = fields.Dict()
    anything = fields.Raw()
    renamed = fields.String(attribute="share", data_key="other", dump_only=True)
    made_up = fields.Constant(7)
    missing = fields.String()
    absent = fields.Integer(dump_default=3)


class InnerRow(_Inner, RowSchema):
    pass


class OuterRow(_Outer, RowSchema):
    inner = fields.Nested(InnerRow)


class InnerPlain(_Inner, ma.Schema):
    pass


class OuterPlain(_Outer, ma.Schema):
    inner = fields.Nested(InnerPlain)


NAMES = ("id", "text", "number", "share", "is_true", "at", "document", "anything", "inner")
NOON = dt.datetime(2031, 5, 6, 12, tzinfo=dt.UTC)
ID = uuid.UUID(int=5)


@pytest.mark.parametrize(
    "values",
    [
        (ID, "a", 1, 0.5, True, NOON, {"a": 1}, [1], types.SimpleNamespace(name="b")),
        (str(ID), Colour.RED, True, 2, 0, NOON, {}, "x", types.SimpleNamespace(name=Colour.RED)),
        (ID, 3, 4.0, 5, "yes", NOON, {"b": None}, None, types.SimpleNamespace()),
        (None,) * len(NAMES),
    ],
)
def test_values_are_dumped_as_marshmallow_does(values):
    row = types.SimpleNamespace(**dict(zip(NAMES, values, strict=True)))
    dumped, expected = OuterRow().dump(row), OuterPlain().dump(row)
    assert dumped == expected
    assert [*map(type, dumped.values())] == [*map(type, expected.values())]
    assert list(dumped) == list(expected)
    assert OuterRow(many=True).dump([row, row]) == OuterRow().dump([row, row], many=True)


def test_requests_are_loaded_as_strictly_as_submissions():
    """So what a request has loaded need not be loaded again."""
    requests = QueueRequestSchema().fields | IdempotencyHeaderSchema().fields
    for name, field in SubmissionSchema().fields.items():
        if name != "user_id":  # the identity has checked it
            assert type(requests[name]) is type(field)
            assert repr(requests[name].validators) == repr(field.validators)
