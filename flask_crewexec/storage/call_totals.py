"""Totals of the calls of an execution."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ..models import Models
from ..statuses import CallStatus


class CallKey(t.NamedTuple):
    """What was called."""

    kind: str
    name: str


class CallTotal(t.NamedTuple):
    """How often something was called, and with what success."""

    calls: int
    failed: int
    total_tokens: int
    cost_nanos: int

    @property
    def cost(self) -> float:
        return self.cost_nanos / 1e9


def call_totals(
    session: Session, models: Models, execution_id: uuid.UUID
) -> dict[CallKey, CallTotal]:
    """Return the totals of what an execution has called, in order of kind and name."""
    call = models.call
    failed = sa.case((call.status == CallStatus.FAILED, 1), else_=0)
    sums = (failed, call.prompt_tokens + call.completion_tokens, call.cost_nanos)
    totals = [sa.func.count(), *(sa.func.sum(each) for each in sums)]
    query = sa.select(call.kind, call.name, *totals).where(call.execution_id == execution_id)
    rows = session.execute(query.group_by(call.kind, call.name).order_by(call.kind, call.name))
    return {CallKey(kind, name): CallTotal(*map(int, figures)) for kind, name, *figures in rows}
