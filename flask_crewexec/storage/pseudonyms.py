"""Where other users' rows name a user, and the replacement of that name.

What somebody did in executions of others, such as an answer, belongs to the history of these: it
stays, without the name.
"""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import is_user_column
from ..models import Models
from ..models import table_of
from .input_requests import LINK
from .input_requests import USER

_BY: t.Final = ("cancelled", "cancel_requested", "input_answered")
"""Types of events that say who did it."""


class Place(t.NamedTuple):
    """A column of other users' rows that can name a user."""

    column: sa.Column[t.Any]
    where: sa.ColumnElement[bool] | None = None
    """Which rows name a user in it; None if all do."""

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.column.table.name}.{self.column.name}"

    def names(self, user_id: str) -> sa.ColumnElement[bool]:
        """Return the condition that a row names the user."""
        named = self.column == user_id
        return named if self.where is None else sa.and_(self.where, named)


def new_pseudonym() -> str:
    """Return a name that was never used, and from which no way leads back."""
    return f"erased-{uuid.uuid4().hex}"


def places(models: Models) -> Iterator[Place]:
    """Yield all places but those whose rows belong to the user."""
    for model in models:
        for column in table_of(model).c:
            if is_user_column(column) and column.name != "owner_id":
                yield Place(column)
    assignee = table_of(models.input_assignee).c
    yield Place(assignee.name, assignee.kind.in_([USER, LINK]))


def count_named(session: Session, models: Models, user_id: str) -> dict[str, int]:
    """Return how many rows name the user, by place."""
    counts = {place.name: _count(session, place, user_id) for place in places(models)}
    event = models.event
    query = sa.select(sa.func.count()).select_from(event).where(_is_by(models, user_id))
    return {**counts, f"{event.__tablename__}.data": session.scalars(query).one()}


def _count(session: Session, place: Place, user_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(place.column.table)
    return session.scalars(query.where(place.names(user_id))).one()


def replace_in_column(
    session: Session, place: Place, user_id: str, pseudonym: str, limit: int
) -> int:
    """Replace the name in some rows; return in how many."""
    table = place.column.table
    key = sa.tuple_(*table.primary_key.columns)
    rows = sa.select(*table.primary_key.columns).where(place.names(user_id)).limit(limit)
    keys = [tuple(row) for row in session.execute(rows.with_for_update())]
    if not keys:
        return 0
    statement = sa.update(table).where(key.in_(keys), place.names(user_id))
    result = session.execute(statement.values({place.column.name: pseudonym}))
    return t.cast("sa.CursorResult[t.Any]", result).rowcount


def replace_in_events(
    session: Session, models: Models, user_id: str, pseudonym: str, limit: int
) -> int:
    """Replace the name in some events; return in how many."""
    event = models.event
    query = sa.select(event).where(_is_by(models, user_id)).limit(limit).with_for_update()
    found = session.scalars(query).all()
    for each in found:
        each.data = {**each.data, "by": pseudonym}
    return len(found)


def _is_by(models: Models, user_id: str) -> sa.ColumnElement[bool]:
    """Return the condition that an event says that the user did it."""
    event = models.event
    # CASE, since PostgreSQL cannot read the fields of all JSON that it stores.
    by = sa.case((event.type.in_(_BY), event.data["by"].as_string()))
    return by == user_id
