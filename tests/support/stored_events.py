"""Compare the events that real runs have stored with the catalogue of event types."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Sequence

import sqlalchemy as sa
from flask import Flask

from flask_crewexec.schemas import EVENT_TYPES

INVENTED: t.Final = "noted"
"""Type of events that tests add themselves; some add types that are not identifiers."""


def check_stored_events(app: Flask) -> None:
    """Assert that each stored event is of a known type and has its fields."""
    with contextlib.suppress(sa.exc.OperationalError):  # the test has stopped the database
        for row in _stored_events(app):
            _check(row.type, row.data)


def _stored_events(app: Flask) -> Sequence[t.Any]:
    state = app.extensions["crewexec"]
    event = state.models.event
    with state.database.read_session() as session:
        if not sa.inspect(session.get_bind()).has_table(event.__tablename__):
            return ()
        rows: Sequence[t.Any] = session.execute(sa.select(event.type, event.data)).all()
        return rows


def _check(type: str, data: dict[str, t.Any]) -> None:
    if type == INVENTED or not type.isidentifier():
        return
    fields = EVENT_TYPES[type].fields
    required = {name for name, field in fields.items() if not field.optional}
    assert required <= data.keys() <= fields.keys(), (type, data)
