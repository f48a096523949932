"""Rows of every table that belongs to users, and all that is stored."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa
from uuid_utils.compat import uuid7

from flask_crewexec.app_state import current_app_state
from flask_crewexec.models import is_user_column
from flask_crewexec.models import Models
from flask_crewexec.models import table_of
from flask_crewexec.schemas import EVENT_TYPES

Values = dict[str, t.Any]

MOMENT: t.Final = dt.datetime(2031, 5, 6, 12, tzinfo=dt.UTC)


class Owner(t.NamedTuple):
    """Whose rows are inserted."""

    user_id: str
    text: str
    """In every column of text, and in all JSON."""
    named: str
    """Another user, who is named wherever users are, but as the owner."""


def insert(owner: Owner) -> None:
    """Insert a row into each table that has rows of users."""
    models = current_app_state().models
    with current_app_state().database.write_transaction() as session:
        for model, values in _rows(models, owner):
            table = table_of(model)
            session.execute(sa.insert(table).values({**_filled(table, owner), **values}))


def _rows(models: Models, owner: Owner) -> list[tuple[type[t.Any], Values]]:
    graph, execution, request = uuid7(), uuid7(), uuid7()
    mine = {"execution_id": execution}
    by = {"by": owner.named}
    return [
        (models.graph, {"id": graph}),
        (models.graph_version, {"graph_id": graph}),
        (
            models.execution,
            {
                "id": execution,
                "graph_id": graph,
                "status": "completed",
                "idempotency_key": f"{owner.text} {execution}",
            },
        ),
        (models.step, mine),
        (models.call, mine),
        (models.delivery, {**mine, "status": "waiting"}),
        *((models.event, {**mine, **event}) for event in _events(by)),
        (models.input_request, {**mine, "id": request, "status": "answered"}),
        (models.input_assignee, {"request_id": request, "kind": "user", "name": owner.named}),
        (models.input_assignee, {"request_id": request, "kind": "role", "name": "editor"}),
        (models.input_assignee, {"request_id": request, "kind": "link", "name": owner.named}),
        (models.webhook, {}),
    ]


def _events(by: Values) -> list[Values]:
    told = [
        {"seq": seq, "type": type, "data": {**_required(type), **by}}
        for seq, type in enumerate(("cancel_requested", "cancelled", "input_answered"), 2)
    ]
    # PostgreSQL stores this JSON, but reads no fields of it.
    return [{"seq": 1, "data": {"output": "a\0b"}}, *told]


def insert_worker(named: str) -> None:
    """Insert the row of a worker, which names a user but belongs to none."""
    table = table_of(current_app_state().models.worker)
    with current_app_state().database.write_transaction() as session:
        session.execute(sa.insert(table).values(_filled(table, Owner("", "w", named))))


def _required(type: str) -> Values:
    fields = EVENT_TYPES[type].fields
    return {name: None for name, field in fields.items() if not field.optional}


def _filled(table: sa.Table, owner: Owner) -> Values:
    return {column.name: _value(column, owner) for column in table.c}


def _value(column: sa.Column[t.Any], owner: Owner) -> t.Any:
    if column.name == "owner_id":
        return owner.user_id
    if is_user_column(column):
        return owner.named
    kinds: list[tuple[type[t.Any], t.Any]] = [
        (sa.Uuid, uuid7()),
        (sa.JSON, {"text": owner.text}),
        (sa.Boolean, False),
        (sa.DateTime, MOMENT),
        (sa.Integer, 1),
        (sa.Float, 1.0),
    ]
    for kind, value in kinds:
        if isinstance(column.type, kind):
            return value
    return owner.text[: getattr(column.type, "length", None)]


def stored() -> dict[str, list[str]]:
    """All rows of all tables, each as text, by the names of tables."""
    models = current_app_state().models
    with current_app_state().database.read_session() as session:
        return {
            table.name: sorted(_text(row) for row in session.execute(sa.select(table)))
            for table in map(table_of, models)
        }


def _text(row: sa.Row[t.Any]) -> str:
    return repr([str(value) if isinstance(value, uuid.UUID) else value for value in row])
