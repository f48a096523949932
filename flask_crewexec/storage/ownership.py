"""Access control of rows: the only place that restricts a query to a user's own rows."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..identity import Identity
from ..models import ExecutionMixin
from ..models import GraphMixin
from ..models import WebhookMixin

Requester = Identity | None
"""The user for whom a query runs; None is the host's own code, which sees everything."""

Q = t.TypeVar("Q", bound=sa.Select[t.Any])
OwnedModel = type[ExecutionMixin | GraphMixin | WebhookMixin]


def owned_by(
    model: OwnedModel, owner_id: str | sa.SQLColumnExpression[t.Any]
) -> sa.ColumnElement[bool]:
    """Return the condition that a user owns a row."""
    return model.owner_id == owner_id


def user_seen_by(requester: Requester) -> str | None:
    """Return the user whose rows *requester* may see; None if that is everybody's."""
    return None if requester is None or requester.may_manage_others else requester.user_id


def visible_to(query: Q, model: OwnedModel, requester: Requester) -> Q:
    """Restrict a *query* of *model* to the rows that *requester* may see."""
    user_id = user_seen_by(requester)
    return query if user_id is None else query.where(owned_by(model, user_id))


def belongs_to(row: ExecutionMixin | GraphMixin | WebhookMixin, requester: Requester) -> bool:
    """Return whether a row is *requester*'s own; everything is the host's."""
    return requester is None or row.owner_id == requester.user_id
