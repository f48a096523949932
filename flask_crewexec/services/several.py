"""Cancel or retry several executions in one request: each by itself, with what came of it."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from sqlalchemy.orm import load_only

from ..app_state import AppState
from ..errors import BrokerUnavailable
from ..errors import CrewExecError
from ..errors import Interrupted
from ..errors import NotFound
from ..errors import WrongState
from ..ids import parse_uuid
from ..scheduling.run_limits import Limits
from ..scheduling.run_limits import validate_limits
from ..schemas import CancelSchema
from ..schemas import load
from ..storage.execution_queries import find_executions
from ..storage.execution_queries import Id
from ..storage.ownership import Requester
from ..storage.transitions import Cancellation
from .cancellation import cancel
from .retries import retry

log = logging.getLogger(__name__)

_IDS_OF_ONE_QUERY: t.Final = 500
"""Databases limit the number of parameters."""


class Outcome(t.NamedTuple):
    """What came of one of several executions."""

    id: str
    status: str | None
    """Of the execution afterwards; None if there is none, or not for this user."""
    error: CrewExecError | None
    """Why nothing was done; None if it was."""

    @property
    def retry_after(self) -> int | None:
        """Seconds after which it may succeed, if it was refused for a limit."""
        return getattr(self.error, "retry_after", None)


def cancel_each(
    app_state: AppState,
    ids: Iterable[Id],
    requester: Requester,
    cancellation: Cancellation,
    seconds: float | None = None,
) -> list[Outcome]:
    """Cancel executions, as :func:`~.cancellation.cancel` does with one.

    :param seconds: after which no further one is tried.
    :raises InvalidRequest: if the cancellation cannot be stored.
    """
    load(CancelSchema(), cancellation._asdict())
    act = functools.partial(_cancel_one, app_state, requester, cancellation)
    return _outcomes(app_state, requester, _do_each(ids, act, seconds))


def _cancel_one(
    app_state: AppState, requester: Requester, cancellation: Cancellation, id: Id
) -> None:
    if not cancel(app_state, id, requester, cancellation, None):
        raise WrongState("The execution has ended already; there is nothing to cancel.")


def retry_each(
    app_state: AppState,
    ids: Iterable[Id],
    requester: Requester,
    limits: Limits,
    seconds: float | None = None,
) -> list[Outcome]:
    """Queue another attempt of executions, as :func:`~.retries.retry` does with one.

    :param seconds: after which no further one is tried.
    :raises InvalidRequest: if a limit is above the settings'.
    """
    validate_limits(app_state, limits)

    def act(id: Id) -> None:
        retry(app_state, id, requester, limits)

    return _outcomes(app_state, requester, _do_each(ids, act, seconds))


def _do_each(
    ids: Iterable[Id], act: Callable[[Id], None], seconds: float | None
) -> dict[str, CrewExecError | None]:
    """Do it with each execution once, and return the errors by id."""
    deadline = None if seconds is None else time.monotonic() + seconds
    errors: dict[str, CrewExecError | None] = {}
    over: CrewExecError | None = None  # why the others are not tried
    for id in dict.fromkeys(map(_as_text, ids)):
        if over is None and errors and deadline is not None and time.monotonic() > deadline:
            over = Interrupted("The time of this request was over before this execution's turn.")
        errors[id] = over or _error_of(act, id, is_first=not errors)
        if isinstance(errors[id], BrokerUnavailable | Interrupted):
            over = errors[id]
    return errors


def _error_of(act: Callable[[Id], None], id: Id, *, is_first: bool) -> CrewExecError | None:
    """Return the error of one, so that those before it keep their outcomes.

    The first one may raise what is not expected, since nothing has been done then.
    """
    try:
        act(id)
    except CrewExecError as error:
        return error
    except Exception:
        if is_first:
            raise
        correlation_id = uuid.uuid4().hex
        log.exception("Execution %s failed among several (%s).", id, correlation_id)
        return Interrupted(
            "An unexpected error occurred at this execution or before it. It has been logged with"
            f" the correlation id {correlation_id}."
        )
    return None


def _outcomes(
    app_state: AppState, requester: Requester, errors: dict[str, CrewExecError | None]
) -> list[Outcome]:
    statuses = _statuses(app_state, [*_uuids(errors)], requester)
    return [Outcome(id, statuses.get(id), error) for id, error in errors.items()]


def _as_text(id: Id) -> str:
    """Return the same text for all ways to write an id, and what is no id as it is."""
    return next(map(str, _uuids([id])), str(id))


def _uuids(ids: Iterable[Id]) -> Iterator[uuid.UUID]:
    """Yield those of the ids that can be one."""
    for id in ids:
        with contextlib.suppress(NotFound):
            yield parse_uuid(id, "execution")


def _statuses(
    app_state: AppState, ids: Sequence[uuid.UUID], requester: Requester
) -> dict[str, str]:
    models = app_state.models
    only = load_only(models.execution.status)
    parts = [ids[at : at + _IDS_OF_ONE_QUERY] for at in range(0, len(ids), _IDS_OF_ONE_QUERY)]
    with app_state.database.read_session() as session:
        found = [find_executions(session, models, part, requester, only) for part in parts]
    return {str(id): row.status for part in found for id, row in part.items()}
