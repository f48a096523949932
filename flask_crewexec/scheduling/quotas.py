"""What a user may still queue: so many executions that wait, and so many tokens a day."""

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
from ..statuses import UNCLAIMED
from ..storage.ownership import owned_by
from ..storage.usage_report import lowest_uuid7_at
from ..storage.usage_report import tokens_since_sql

QUEUED_RETRY_SECONDS: t.Final = 10
"""After which something that waits may have been taken."""


_USER: t.Final = sa.bindparam("for_user", type_=sa.String)
_MIDNIGHT: t.Final = sa.bindparam("midnight", type_=sa.DateTime(timezone=True))
_FIRST_ID: t.Final = sa.bindparam("first_id", type_=sa.Uuid)


def quota_columns(app_state: AppState) -> list[sa.Label[t.Any]]:
    """Return what is to be read for :func:`check_quotas`, to be part of one SELECT."""
    settings, execution = app_state.settings, app_state.models.execution
    columns: list[sa.Label[t.Any]] = []
    if settings.max_queued_per_user is not None:
        query = sa.select(sa.func.count()).select_from(execution)
        waiting = (owned_by(execution, _USER), has_status(execution, *UNCLAIMED))
        columns.append(query.where(*waiting).scalar_subquery().label("queued"))
    if settings.max_tokens_per_day is not None:
        columns.append(tokens_since_sql(app_state, _USER, _MIDNIGHT, _FIRST_ID).label("tokens"))
    return columns


def quota_parameters(owner_id: str) -> dict[str, t.Any]:
    """Return the values for the :func:`quota_columns`."""
    midnight = _midnight()
    ids = {_MIDNIGHT.key: midnight, _FIRST_ID.key: lowest_uuid7_at(midnight)}
    return {**ids, _USER.key: owner_id}


def enforce_quotas(app_state: AppState, owner_id: str, found: t.Any) -> None:
    """Check that the user may queue one execution more.

    Orders at the same moment do not see each other, so as many may pass too many.

    :param found: a row with the :func:`quota_columns`.
    :raises TooManyQueued: if as many executions wait as may.
    :raises TokensSpent: if no token is left.
    """
    settings = app_state.settings
    most = resolve_limit("CREWEXEC_MAX_QUEUED_PER_USER", settings.max_queued_per_user, owner_id)
    if most is not None and found.queued >= most:
        raise QueueQuotaExceeded(
            f"{found.queued} of your executions wait, and {most} may. Queue more when some have"
            " started, or cancel some.",
            QUEUED_RETRY_SECONDS,
        )
    budget = resolve_limit("CREWEXEC_MAX_TOKENS_PER_DAY", settings.max_tokens_per_day, owner_id)
    if budget is not None and found.tokens >= budget:
        raise TokenQuotaExceeded(
            f"Your executions have used {found.tokens} tokens today, and {budget} are allowed on"
            " a day. The next one begins at midnight UTC.",
            _seconds_to_midnight(),
        )


def remaining_tokens(app_state: AppState, owner_id: str) -> int | None:
    """Return how many tokens the user may still use today; None is no limit."""
    limit = app_state.settings.max_tokens_per_day
    budget = resolve_limit("CREWEXEC_MAX_TOKENS_PER_DAY", limit, owner_id)
    if budget is None:
        return None
    query = sa.select(tokens_since_sql(app_state, _USER, _MIDNIGHT, _FIRST_ID))
    with app_state.database.read_session() as session:
        used = session.scalars(query, quota_parameters(owner_id)).one()
    return max(0, budget - int(used))


def _midnight() -> dt.datetime:
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def _seconds_to_midnight() -> int:
    left = _midnight() + dt.timedelta(days=1) - clock.now()
    return math.ceil(left.total_seconds())
