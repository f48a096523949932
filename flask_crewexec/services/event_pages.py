"""Pages of the events of executions."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping
from collections.abc import Sequence

from sqlalchemy.orm import load_only
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import NotFound
from ..ids import parse_uuid
from ..models import EventMixin
from ..models import ExecutionMixin
from ..models import Models
from ..schemas import EventQuerySchema
from ..schemas import EventSchema
from ..schemas import load
from ..statuses import TERMINAL
from ..storage import event_log
from ..storage.execution_queries import find_executions
from ..storage.execution_queries import Id
from ..storage.ownership import Requester

Json = dict[str, t.Any]

Positions = Mapping[uuid.UUID, int]
"""Number of the last event that a reader has, by execution."""

_QUERY: t.Final = EventQuerySchema()
_EVENTS: t.Final = EventSchema(many=True)


class EventPage(t.NamedTuple):
    """Some events of an execution, in order."""

    events: list[Json]
    final_status: str | None
    """Status of the execution, if it has ended and these are its last events."""
    has_more: bool = False
    """Whether there are more events than the limit allowed."""


def read_event_page(
    app_state: AppState, execution_id: Id, requester: Requester, **page: object
) -> EventPage:
    """Return the events with a number greater than ``after``, at most ``limit``.

    :raises NotFound: if there is no such execution, or not for *requester*.
    :raises InvalidRequest: if ``after`` or ``limit`` is out of range.
    """
    checked = load(_QUERY, page)
    key = parse_uuid(execution_id, "execution")
    positions = {key: checked["after"]}
    pages = read_event_pages(app_state, positions, requester, limit=checked["limit"])
    if key not in pages:
        raise NotFound(f"There is no execution '{execution_id}'.")
    return pages[key]


def read_event_pages(
    app_state: AppState, positions: Positions, requester: Requester, *, limit: int
) -> dict[uuid.UUID, EventPage]:
    """Return the events of executions after *positions*, at most *limit* in all.

    Executions that do not exist, or not for *requester*, have no page.
    """
    pages: dict[uuid.UUID, EventPage] = {}
    models = app_state.models
    needed = load_only(models.execution.status, models.execution.last_event)
    with app_state.database.read_session() as session:
        found = find_executions(session, models, positions, requester, needed)
        for id, after in positions.items():
            if id in found:
                pages[id] = _read_page(session, models, found[id], after, limit)
                limit -= len(pages[id].events)
    return pages


def _read_page(
    session: Session, models: Models, execution: ExecutionMixin, after: int, limit: int
) -> EventPage:
    rows: Sequence[EventMixin] = ()
    if after < execution.last_event and limit:
        rows = event_log.read_events(session, models, execution.id, after=after, limit=limit)
    has_more = (rows[-1].seq if rows else after) < execution.last_event
    is_final = execution.status in TERMINAL and not has_more
    return EventPage(_EVENTS.dump(rows), execution.status if is_final else None, has_more)
