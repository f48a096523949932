"""Pages of an execution's events."""

from __future__ import annotations

import typing as t

from sqlalchemy.orm import load_only

from ..app_state import AppState
from ..schemas import EventQuerySchema
from ..schemas import EventSchema
from ..schemas import load
from ..statuses import TERMINAL
from ..storage import event_log
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import Id
from ..storage.ownership import Requester

Json = dict[str, t.Any]

_QUERY: t.Final = EventQuerySchema()
_EVENTS: t.Final = EventSchema(many=True)


class EventPage(t.NamedTuple):
    """Some events of an execution, in order."""

    events: list[Json]
    final_status: str | None
    """Status of the execution, if it has ended and these are its last events."""


def read_event_page(
    app_state: AppState, execution_id: Id, requester: Requester, **page: object
) -> EventPage:
    """Return the events with a number greater than ``after``, at most ``limit``.

    :raises NotFound: if there is no such execution, or not for *requester*.
    :raises InvalidRequest: if ``after`` or ``limit`` is out of range.
    """
    checked = load(_QUERY, page)
    models = app_state.models
    needed = load_only(models.execution.status, models.execution.last_event)
    with app_state.database.read_session() as session:
        execution = find_execution(session, models, execution_id, requester, needed)
        rows = event_log.read_events(session, models, execution.id, **checked)
    last = rows[-1].seq if rows else checked["after"]
    has_ended = execution.status in TERMINAL and last >= execution.last_event
    return EventPage(_EVENTS.dump(rows), execution.status if has_ended else None)
