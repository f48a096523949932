"""Quotas of each user: how many executions may wait, and how many tokens they may use per day."""

from __future__ import annotations

import datetime as dt
import math
import typing as t

import sqlalchemy as sa

from .. import clock
from ..app_state import AppState
from ..config.per_user_limits import resolve_limit
from ..errors import QueueQuotaExceeded
from ..errors import TokenQuotaExceeded
from ..statuses import has_status
from ..statuses import QUEUEING
from ..storage.ownership import owned_by
from ..storage.usage_report import lowest_uuid7_at
from ..storage.usage_report import tokens_since_sql

QUEUED_RETRY_SECONDS: t.Final = 10
"""``Retry-After`` of a full queue quota: some executions may have started by then."""

_USER: t.Final = sa.bindparam("for_user", type_=sa.String)
_MIDNIGHT: t.Final = sa.bindparam("midnight", type_=sa.DateTime(timezone=True))
_FIRST_ID: t.Final = sa.bindparam("first_id", type_=sa.Uuid)


class QuotaUsage(t.NamedTuple):
    """How much of the quotas a user has used."""

    queued: int | None
    """Executions that wait; None if the host has set no limit."""
    tokens: int | None
    """Tokens used today; None if the host has set no limit."""

    @classmethod
    def from_row(cls, row: sa.RowMapping) -> t.Self:
        """Read the :func:`quota_columns` of a row."""
        return cls(row.get("queued"), row.get("tokens"))


def quota_columns(app_state: AppState) -> list[sa.Label[t.Any]]:
    """Return the columns of a :class:`QuotaUsage`, as part of one SELECT."""
    settings, execution = app_state.settings, app_state.models.execution
    columns: list[sa.Label[t.Any]] = []
    if settings.max_queued_per_user is not None:
        query = sa.select(sa.func.count()).select_from(execution)
        waiting = (owned_by(execution, _USER), has_status(execution, *QUEUEING))
        columns.append(query.where(*waiting).scalar_subquery().label("queued"))
    if settings.max_tokens_per_day is not None:
        columns.append(tokens_since_sql(app_state, _USER, _MIDNIGHT, _FIRST_ID).label("tokens"))
    return columns


def quota_parameters(owner_id: str) -> dict[str, t.Any]:
    """Return the parameters of the :func:`quota_columns`."""
    midnight = clock.midnight()
    return {
        _MIDNIGHT.key: midnight,
        _FIRST_ID.key: lowest_uuid7_at(midnight),
        _USER.key: owner_id,
    }


def enforce_quotas(app_state: AppState, owner_id: str, used: QuotaUsage) -> None:
    """Check that the user may queue one more execution.

    Concurrent submissions do not see each other, so each of them may exceed a quota by one.

    :raises QueueQuotaExceeded: if as many executions wait as are allowed.
    :raises TokenQuotaExceeded: if all tokens of the day are used.
    """
    limit = app_state.settings.max_queued_per_user
    max_queued = resolve_limit("CREWEXEC_MAX_QUEUED_PER_USER", limit, owner_id)
    if max_queued is not None and used.queued is not None and used.queued >= max_queued:
        raise QueueQuotaExceeded(
            f"{used.queued} of your executions are waiting, and {max_queued} are allowed. Cancel"
            " some, or submit again when some have started.",
            QUEUED_RETRY_SECONDS,
        )
    budget = _token_budget(app_state, owner_id)
    if budget is not None and used.tokens is not None and used.tokens >= budget:
        raise TokenQuotaExceeded(
            f"Your executions have used {used.tokens} tokens today, and {budget} are allowed per"
            " day. Submit again after midnight UTC.",
            _seconds_to_midnight(),
        )


def remaining_tokens(app_state: AppState, owner_id: str) -> int | None:
    """Return how many tokens the user may still use today; None if there is no limit."""
    budget = _token_budget(app_state, owner_id)
    if budget is None:
        return None
    query = sa.select(tokens_since_sql(app_state, _USER, _MIDNIGHT, _FIRST_ID))
    with app_state.database.read_session() as session:
        used = session.scalars(query, quota_parameters(owner_id)).one()
    return max(0, budget - int(used))


def _token_budget(app_state: AppState, owner_id: str) -> int | None:
    limit = app_state.settings.max_tokens_per_day
    return resolve_limit("CREWEXEC_MAX_TOKENS_PER_DAY", limit, owner_id)


def _seconds_to_midnight() -> int:
    left = clock.midnight() + dt.timedelta(days=1) - clock.now()
    return math.ceil(left.total_seconds())
