"""Who sees what: the one place that narrows a query to its owner."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..identity import Identity
from ..models import ExecutionMixin
from ..models import GraphMixin

Requester = Identity | None
"""Who asks; None is the host's own code, which sees everything."""

Q = t.TypeVar("Q", bound=sa.Select[t.Any])


def owned_by(
    model: type[ExecutionMixin | GraphMixin], owner_id: str | sa.SQLColumnExpression[t.Any]
) -> sa.ColumnElement[bool]:
    """Return the condition that a row is this user's."""
    return model.owner_id == owner_id


def visible_to(query: Q, model: type[ExecutionMixin | GraphMixin], requester: Requester) -> Q:
    """Narrow *query* over *model* to the rows that *asker* may see."""
    if requester is None or requester.may_manage_others:
        return query
    return query.where(owned_by(model, requester.user_id))
