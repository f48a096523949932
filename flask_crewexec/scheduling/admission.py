"""Admission control: checks the user's quotas and decides whether to publish or hold."""

from __future__ import annotations

import enum
import typing as t

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..per_app import AppLocal
from .fair_scheduler import may_publish
from .fair_scheduler import scheduler_columns
from .fair_scheduler import scheduler_parameters
from .fair_scheduler import SchedulerState
from .quotas import enforce_quotas
from .quotas import quota_columns
from .quotas import quota_parameters
from .quotas import QuotaUsage


class Admission(enum.Enum):
    """What happens with an execution that is about to be queued."""

    PUBLISH = "publish"
    """Its message is sent now."""
    HOLD = "hold"
    """It waits in the database until the fair scheduler releases it."""


class AdmissionState(t.NamedTuple):
    """What the decision depends on, read with one query."""

    scheduler: SchedulerState
    quotas: QuotaUsage

    @classmethod
    def from_row(cls, row: sa.RowMapping) -> t.Self:
        """Read the :func:`admission_columns` of a row."""
        return cls(SchedulerState.from_row(row), QuotaUsage.from_row(row))


def admission_columns(app_state: AppState) -> list[sa.Label[t.Any]]:
    """Return the columns of an :class:`AdmissionState`, as part of one SELECT."""
    return [*scheduler_columns(app_state), *quota_columns(app_state)]


def admission_parameters(owner_id: str, priority: int) -> dict[str, t.Any]:
    """Return the parameters of the :func:`admission_columns`."""
    return {**scheduler_parameters(owner_id, priority), **quota_parameters(owner_id)}


def read_admission_state(
    session: Session, app_state: AppState, owner_id: str, priority: int
) -> AdmissionState:
    """Return the state of a user who queues an execution of a *priority*."""
    parameters = admission_parameters(owner_id, priority)
    row = session.execute(_query.current(), parameters).mappings().one()
    return AdmissionState.from_row(row)


def _build_query(app: Flask) -> sa.Select[t.Any]:
    return sa.select(*admission_columns(app.extensions["crewexec"]))


_query: t.Final = AppLocal(_build_query)


def admit(app_state: AppState, owner_id: str, state: AdmissionState) -> Admission:
    """Decide whether the message of an execution is sent now or later.

    :raises QuotaExceeded: if the user may not queue an execution at the moment.
    """
    enforce_quotas(app_state, owner_id, state.quotas)
    if may_publish(app_state, owner_id, state.scheduler):
        return Admission.PUBLISH
    return Admission.HOLD
