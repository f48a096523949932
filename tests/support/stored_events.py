"""Compare the events that real runs have stored with the catalogue of event types."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import Flask

from flask_crewexec.schemas import EVENT_TYPES

INVENTED: t.Final = "noted"
"""Type of the events that tests add themselves."""


def check_stored_events(app: Flask) -> None:
    """Assert that each stored event is of a known type and has its fields."""
    state = app.extensions["crewexec"]
    event = state.models.event
    with state.database.read_session() as session:
        if not sa.inspect(session.get_bind()).has_table(event.__tablename__):
            return
        for type, data in session.execute(sa.select(event.type, event.data)):
            _check(type, data)


def _check(type: str, data: dict[str, t.Any]) -> None:
    if type == INVENTED:
        return
    fields = EVENT_TYPES[type].fields
    required = {name for name, field in fields.items() if not field.optional}
    assert required <= data.keys() <= fields.keys(), (type, data)
