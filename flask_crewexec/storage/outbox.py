"""The outbox: which deliveries follow from new events, written in the same transaction.

Nothing is written, and no query is made, for events that neither a handler nor a signal wants,
unless users may have webhooks.
"""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid
from collections.abc import Iterator
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..models import Models
from ..models import table_of
from ..models import WebhookMixin
from ..registry.signals import signals
from ..schemas.notifications import EVERYTHING
from ..schemas.notifications import matches
from ..schemas.notifications import notification_type
from . import cte_writes
from . import database_clock
from .new_event import DatedEvent
from .ownership import owned_by

Row = dict[str, t.Any]

HANDLER: t.Final = "handler:"
WEBHOOK: t.Final = "webhook:"
SIGNALS: t.Final = "signals"
WAITING: t.Final = "waiting"
DELIVERED: t.Final = "delivered"
FAILED: t.Final = "failed"


QUEUED: t.Final = "execution.queued"
UNDO_TIME: t.Final = dt.timedelta(seconds=5)
"""How long nobody is told that an execution was queued, unless it starts: if its message cannot be
sent, a submission or retry is undone."""


class Told(t.NamedTuple):
    """An event that somebody may want to be told."""

    place: int
    """Its place among the new events, from 0."""
    type: str
    due_at: dt.datetime

    @classmethod
    def of(cls, place: int, event: DatedEvent) -> t.Self | None:
        """Return what is told of an *event*, if anything."""
        type = notification_type(event.type, event.data)
        if type is None:
            return None
        return cls(place, type, event.time + UNDO_TIME if event.type == "queued" else event.time)


def may_be_wanted(app_state: AppState, events: Sequence[DatedEvent]) -> list[Told]:
    """Return those of new *events* that a handler, a signal or a webhook may want."""
    if not _has_receivers(app_state):
        return []
    each = [Told.of(place, event) for place, event in enumerate(events)]
    told = [event for event in each if event is not None]
    if app_state.settings.webhooks:
        return told
    return [event for event in told if any(_own_receivers(app_state, event.type))]


def _has_receivers(app_state: AppState) -> bool:
    return (
        app_state.settings.webhooks
        or bool(app_state.registry.handlers)
        or any(signal.receivers for signal in signals.values())
    )


def _own_receivers(app_state: AppState, type: str) -> Iterator[str]:
    """Yield the host's receivers, which are known without a query."""
    if signals[type].receivers:
        yield SIGNALS
    for handler in app_state.registry.handlers.values():
        if matches(handler.patterns, type):
            yield HANDLER + handler.name


def wants_queued(app_state: AppState) -> bool:
    """Return whether somebody may want to be told that an execution was queued."""
    return app_state.settings.webhooks or any(_own_receivers(app_state, QUEUED))


def make_due(session: Session, app_state: AppState, execution_id: uuid.UUID) -> None:
    """Tell at once that an execution was queued, since it has started."""
    if wants_queued(app_state):
        delivery = app_state.models.delivery
        waits = (delivery.execution_id == execution_id, delivery.type == QUEUED)
        untried = (delivery.status == WAITING, delivery.tries == 0)
        statement = sa.update(delivery).where(*waits, *untried)
        options = {"synchronize_session": False}
        values = {"due_at": database_clock.now()}
        session.execute(statement.values(values), execution_options=options)


def withdraw_queued(session: Session, models: Models, execution_id: uuid.UUID) -> bool:
    """Delete what nobody has been told yet of the last time that an execution was queued.

    The caller has locked the execution, and adds no other event.

    :return: False, with nothing deleted, if somebody was told.
    """
    delivery = models.delivery
    last = sa.select(models.execution.last_event).where(models.execution.id == execution_id)
    key = (delivery.execution_id == execution_id, delivery.seq == last.scalar_subquery())
    tries = session.scalars(sa.select(delivery.tries).where(*key).with_for_update()).all()
    if any(tries):
        return False
    if tries:
        options = {"synchronize_session": False}
        session.execute(sa.delete(delivery).where(*key), execution_options=options)
    return True


def new_deliveries(
    session: Session,
    app_state: AppState,
    execution_id: uuid.UUID,
    first: int,
    events: Sequence[DatedEvent],
) -> list[Row]:
    """Return the rows for *events*, the first of which has the number *first*."""
    told = may_be_wanted(app_state, events)
    if not told:
        return []
    hooks = _webhooks_of(session, app_state.models, execution_id, app_state.settings.webhooks)
    return [
        _row(execution_id, first, event, receiver)
        for event in told
        for receiver in (*_own_receivers(app_state, event.type), *_matching(hooks, event.type))
    ]


def _row(execution_id: uuid.UUID, first: int, event: Told, receiver: str) -> Row:
    return {
        "execution_id": execution_id,
        "receiver": receiver,
        "seq": first + event.place,
        "type": event.type,
        "status": WAITING,
        "tries": 0,
        "due_at": event.due_at,
    }


class _Hook(t.NamedTuple):
    id: uuid.UUID
    patterns: str


def _webhooks_of(
    session: Session, models: Models, execution_id: uuid.UUID, are_used: bool
) -> list[_Hook]:
    """Return the owner's webhooks that are switched on."""
    if not are_used:
        return []
    execution, webhook = models.execution, models.webhook
    query = (
        sa.select(webhook.id, _patterns(webhook, execution.webhook_events).label("patterns"))
        .join(execution, owned_by(webhook, execution.owner_id))
        .where(execution.id == execution_id, webhook.enabled.is_(True))
    )
    return [_Hook(row.id, row.patterns) for row in session.execute(query) if row.patterns]


def _patterns(
    webhook: type[WebhookMixin], of_execution: sa.SQLColumnExpression[str | None]
) -> sa.ColumnElement[str | None]:
    """Return the SQL for the patterns of a webhook; those of single executions have their own."""
    return sa.case((webhook.url.is_(None), of_execution), else_=webhook.events)


def _matching(hooks: Sequence[_Hook], type: str) -> Iterator[str]:
    for hook in hooks:
        if matches(hook.patterns.split(), type):
            yield f"{WEBHOOK}{hook.id}"


class Shape(t.NamedTuple):
    """Which statements insert deliveries."""

    own: bool
    webhooks: bool


NOTHING: t.Final = Shape(own=False, webhooks=False)


def as_parameters(app_state: AppState, events: Sequence[DatedEvent]) -> tuple[Shape, Row]:
    """Return which of :func:`insert_parts` are needed for *events*, and their parameters."""
    told = may_be_wanted(app_state, events)
    if not told:
        return NOTHING, {}
    webhooks = app_state.settings.webhooks
    own = [
        {**_given(event), "receiver": receiver}
        for event in told
        for receiver in _own_receivers(app_state, event.type)
    ]
    given = {"deliveries": own, "told": [_given(event) for event in told] if webhooks else []}
    delivery = table_of(app_state.models.delivery)
    parameters = {
        name: cte_writes.as_json_parameter(delivery, rows) for name, rows in given.items() if rows
    }
    return Shape(bool(own), webhooks), parameters


def _given(event: Told) -> Row:
    return {"seq": event.place, "type": event.type, "due_at": event.due_at}


def insert_parts(models: Models, row: sa.CTE, shape: Shape) -> list[sa.Insert]:
    """Return the INSERTs for PostgreSQL.

    :param row: the changed execution, with its id, ``last_event`` and :func:`owner_columns`.
    """
    delivery = table_of(models.delivery)
    parts = []
    if shape.own:
        own = cte_writes.json_rows(delivery, ("seq", "type", "due_at", "receiver"), "deliveries")
        parts.append(_insert(delivery, row, own, own.c.receiver, sa.join(row, own, sa.true())))
    if shape.webhooks:
        webhook = models.webhook
        told = cte_writes.json_rows(delivery, ("seq", "type", "due_at"), "told")
        wants = _wants(_patterns(webhook, row.c.webhook_events), told.c.type)
        is_owners = sa.and_(owned_by(webhook, row.c.owner_id), webhook.enabled.is_(True))
        source = sa.join(row, webhook, is_owners).join(told, wants)
        receiver = sa.literal(WEBHOOK) + sa.cast(webhook.id, sa.String)
        parts.append(_insert(delivery, row, told, receiver, source))
    return parts


def owner_columns(execution: sa.Table, shape: Shape) -> list[sa.Column[t.Any]]:
    """Return the columns of the execution that :func:`insert_parts` needs."""
    return [execution.c.owner_id, execution.c.webhook_events] if shape.webhooks else []


def _insert(
    delivery: sa.Table,
    row: sa.CTE,
    given: sa.TableValuedAlias,
    receiver: sa.ColumnElement[str],
    source: sa.Join,
) -> sa.Insert:
    seq = row.c.last_event - sa.bindparam("new_events", type_=sa.Integer) + 1 + given.c.seq
    constants: tuple[sa.ColumnElement[t.Any], ...] = (
        sa.literal_column(f"'{WAITING}'"),
        sa.literal_column("0"),
    )
    values = (row.c.id, receiver, seq, given.c.type, *constants, given.c.due_at)
    columns = ["execution_id", "receiver", "seq", "type", "status", "tries", "due_at"]
    each = sa.select(*values).select_from(source)
    return sa.insert(delivery).from_select(columns, each, include_defaults=False)


def _wants(
    patterns: sa.ColumnElement[str | None], type: sa.ColumnElement[str]
) -> sa.ColumnElement[bool]:
    """Return the SQL of :func:`.matches` for stored patterns."""
    family = sa.func.split_part(type, ".", 1) + ".*"
    each = (type, family, sa.literal(EVERYTHING))
    return sa.or_(*(sa.func.strpos(patterns, sa.literal(" ") + one + " ") > 0 for one in each))
