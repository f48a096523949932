"""Access control of rows: the only place that restricts a query to a user's own rows."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa

from ..identity import Identity
from ..models import ExecutionMixin
from ..models import GraphMixin
from ..models import InputRequestMixin
from ..models import Models
from ..models import WebhookMixin

Requester = Identity | None
"""The user for whom a query runs; None is the host's own code, which sees everything."""

Q = t.TypeVar("Q", bound=sa.Select[t.Any])
OwnedModel = type[ExecutionMixin | GraphMixin | InputRequestMixin | WebhookMixin]


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


def belongs_to(
    row: ExecutionMixin | GraphMixin | InputRequestMixin | WebhookMixin, requester: Requester
) -> bool:
    """Return whether a row is *requester*'s own; everything is the host's."""
    return requester is None or row.owner_id == requester.user_id


def answerable_by(models: Models, requester: Requester) -> sa.ColumnElement[bool]:
    """Return the condition that *requester* may see an input request.

    Those whom a request names see the request, but not its execution.
    """
    user_id = user_seen_by(requester)
    if requester is None or user_id is None:
        return sa.true()
    request = models.input_request
    return sa.or_(owned_by(request, user_id), request.id.in_(named_by(models, requester)))


def named_by(models: Models, requester: Identity) -> sa.Select[uuid.UUID]:
    """Return the query for the ids of the input requests that name *requester*."""
    assignee = models.input_assignee
    by_id = sa.and_(assignee.name == requester.user_id, assignee.kind == "user")
    by_role = sa.and_(assignee.name.in_(sorted(requester.roles)), assignee.kind == "role")
    return sa.select(assignee.request_id).where(
        sa.or_(by_id, by_role) if requester.roles else by_id
    )
