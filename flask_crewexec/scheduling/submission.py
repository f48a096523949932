"""From an order to a row and a message: the row first, since only the row counts."""

from __future__ import annotations

import json
import logging
import typing as t
import uuid
from collections.abc import Collection
from collections.abc import Mapping

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from .. import clock
from .. import graphs
from ..app_state import AppState
from ..database import CHANGED_EXECUTIONS
from ..errors import CrewExecError
from ..errors import IdempotencyKeyInUse
from ..errors import IdempotencyKeyReused
from ..errors import InvalidGraph
from ..errors import InvalidInputs
from ..errors import InvalidPriority
from ..errors import Problem
from ..ids import parse_uuid
from ..models import ExecutionMixin
from ..observability import tracing
from ..observability.request_id import current_request_id
from ..schemas import load
from ..schemas import SubmissionSchema
from ..statuses import ExecutionStatus
from ..statuses import PRIORITIES
from ..storage import database_clock
from ..storage import event_log
from ..storage.cte_writes import supports_cte_writes
from ..storage.database_errors import is_duplicate_idempotency_key
from ..storage.execution_queries import find_by_idempotency_key
from ..storage.graph_cache import graph_cache
from ..storage.graph_cache import Version
from ..storage.new_event import NewEvent
from .admission import admit
from .delivery import _publish_or_delete
from .delivery import require_broker
from .fair_scheduler import release_next
from .run_limits import _effective_limits
from .run_limits import Limits
from .submission_statements import insert_if_unchanged
from .submission_statements import insert_with_event
from .submission_statements import look_up
from .submission_statements import new_execution

log = logging.getLogger(__name__)

_ASK_AGAIN: t.Final = "The first order with this key is being queued. Ask again in a moment."


# Made once: making one takes longer than using it.
_FORM: t.Final = SubmissionSchema()

Json = dict[str, t.Any]


class Submission(t.NamedTuple):
    """What somebody wants to be run."""

    graph_id: uuid.UUID | str
    thread_id: uuid.UUID | str | None
    user_id: object
    inputs: Mapping[str, t.Any]
    priority: int
    limits: Limits
    """``timeout``, ``max_llm_calls`` and ``max_tokens``, as far as they were given."""
    idempotency_key: str | None
    """The same order with the same key is placed once."""
    roles: Collection[str] = ()
    """What the user is; it does not belong to the order."""

    def fingerprint(self) -> str:
        """Return what tells this order from others with the same key."""
        ids = [str(self.graph_id), self.thread_id and str(self.thread_id)]
        limits = {name: value for name, value in self.limits.items() if value is not None}
        return graphs.digest([*ids, self.inputs, self.priority, limits])


@tracing.trace_submission()
def submit(app_state: AppState, order: Submission) -> ExecutionMixin:
    """Store an execution, tell the workers, and return it.

    An order whose key was used before gives the execution that was made then.
    """
    form = _validate_request(app_state, order)
    owner = form["user_id"]
    if known := _find_duplicate(app_state, owner, order):
        return known
    if placed := _submit_fast_path(app_state, form, order):
        return placed
    execution, _ = _new_execution(app_state, form, order)
    tracing.set_execution_attribute(execution.id)
    if execution.on_hold:
        require_broker(app_state)
    try:
        _insert(app_state, execution)
    except IntegrityError as error:
        if not is_duplicate_idempotency_key(error):
            raise
        # Somebody was faster with the same key, or has just withdrawn the order.
        if known := _find_duplicate(app_state, owner, order):
            return known
        raise IdempotencyKeyInUse(_ASK_AGAIN) from error
    if execution.on_hold:
        release_next(app_state, owner)  # what was ahead of it may have been claimed meanwhile
    else:
        _publish_or_delete(app_state, execution)
    return execution


def _submit_fast_path(app_state: AppState, form: Json, order: Submission) -> ExecutionMixin | None:
    """Place an order in the shortest way; None if anything stands in it.

    What it is, the long way finds out.
    """
    limited = app_state.settings.has_user_limits or order.idempotency_key is not None
    checked = (
        None
        if limited or not supports_cte_writes(app_state)
        else _check_cached_graph(app_state, order)
    )
    if checked is None:
        return None
    execution = _build_execution(app_state, form, order, checked)
    if not insert_if_unchanged(app_state, execution, _first_event(execution)):
        return None
    tracing.set_execution_attribute(execution.id)
    _publish_or_delete(app_state, execution)
    return execution


def _check_cached_graph(app_state: AppState, order: Submission) -> _CheckedSubmission | None:
    """Check an order against the newest version that this process knows."""
    cache = graph_cache.current()
    try:
        version = cache.newest_cached(parse_uuid(order.graph_id, "graph"))
        graph = None if version is None else cache.get(version)
        if version is None or graph is None:
            return None
        return _CheckedSubmission(
            version, graph, _check_graph_use(app_state, graph, order), on_hold=False
        )
    except CrewExecError:
        return None  # there may be a newer version, or none for this user


class Preview(t.NamedTuple):
    """What an order would become."""

    execution: ExecutionMixin
    """Not stored, unless it is *known*."""
    graph: graphs.Graph
    known: bool
    """Whether the same order was placed with the same key before."""


def preview(app_state: AppState, order: Submission) -> Preview:
    """Do every check of :func:`place`, but store and send nothing."""
    form = _validate_request(app_state, order)
    if known := _find_duplicate(app_state, form["user_id"], order):
        with app_state.database.read_session() as session:
            key = (known.graph_id, known.graph_version)
            version = session.get_one(app_state.models.graph_version, key)
        return Preview(known, graphs.parse(version.document), known=True)
    return Preview(*_new_execution(app_state, form, order), known=False)


def _validate_request(app_state: AppState, order: Submission) -> Json:
    """Check what needs no look at the database, and return it as it is to be stored."""
    _check_priority(order.priority)
    _check_size(app_state, order.inputs)
    form = {
        "user_id": order.user_id,
        "thread_id": None if order.thread_id is None else str(order.thread_id),
        "idempotency_key": order.idempotency_key,
        **order.limits,
    }
    return load(_FORM, form)


def _find_duplicate(app_state: AppState, owner: str, order: Submission) -> ExecutionMixin | None:
    """Return what an earlier order with the same key has become."""
    if order.idempotency_key is None:
        return None
    found = find_by_idempotency_key(app_state, owner, order.idempotency_key)
    if found is None:
        return None
    if found.idempotency_digest != order.fingerprint():
        detail = (
            f"The key '{order.idempotency_key}' was used for a different order. Take a new one."
        )
        raise IdempotencyKeyReused(
            detail, [Problem("/idempotency_key", IdempotencyKeyReused.code, detail)]
        )
    queued = found.status == ExecutionStatus.QUEUED and found.attempt == 1
    if queued and found.published_at is None and not found.on_hold:
        raise IdempotencyKeyInUse(_ASK_AGAIN)
    return found


def _new_execution(
    app_state: AppState, form: Json, order: Submission
) -> tuple[ExecutionMixin, graphs.Graph]:
    _effective_limits(app_state, form)
    checked = _check_graph(app_state, form["user_id"], order)
    return _build_execution(app_state, form, order, checked), checked.graph


def _build_execution(
    app_state: AppState, form: Json, order: Submission, checked: _CheckedSubmission
) -> ExecutionMixin:
    now = clock.now()
    values = {
        "id": uuid7(),
        "owner_id": form["user_id"],
        "thread_id": form["thread_id"],
        "graph_id": checked.version.graph_id,
        "graph_version": checked.version.number,
        "status": ExecutionStatus.QUEUED,
        "priority": order.priority,
        "inputs": checked.inputs,
        "total_steps": len(checked.graph.tasks),
        "on_hold": checked.on_hold,
        "last_event": 1,
        "created_at": now,
        "queued_at": now,
        # Whoever comes with the same key must not rely on it before the message is sent.
        "published_at": None if checked.on_hold or order.idempotency_key is not None else now,
        "idempotency_key": order.idempotency_key,
        "idempotency_digest": None if order.idempotency_key is None else order.fingerprint(),
        **request_context(),
        **_effective_limits(app_state, form),
    }
    return new_execution(app_state, values)


def request_context() -> dict[str, str | None]:
    """Return what an execution keeps of the request and the trace that queue it."""
    return {"request_id": current_request_id(), "traceparent": tracing.current_traceparent()}


class _CheckedSubmission(t.NamedTuple):
    """An order that may be placed."""

    version: Version
    graph: graphs.Graph
    inputs: Json
    """With the graph's defaults."""
    on_hold: bool
    """Whether it waits in the database for its user's turn."""


def _check_graph(app_state: AppState, owner: str, order: Submission) -> _CheckedSubmission:
    found = look_up(app_state, owner, parse_uuid(order.graph_id, "graph"), order.priority)
    inputs = _check_graph_use(app_state, found.graph, order)
    on_hold = admit(app_state, owner, found.admission_row)
    return _CheckedSubmission(found.version, found.graph, inputs, on_hold)


def _check_graph_use(app_state: AppState, graph: graphs.Graph, order: Submission) -> Json:
    """Check that the order may use the graph, and return its inputs with the defaults."""
    registry = app_state.registry
    graphs.check_use(graph, registry.permissions_for(order.roles))
    inputs = graphs.check_inputs(graph, order.inputs, registry.storages)
    _check_size(app_state, inputs)
    return inputs


def recheck(
    app_state: AppState,
    session: Session,
    execution: ExecutionMixin,
    roles: Collection[str] | None,
) -> None:
    """Check that the host still offers what an execution names.

    :param roles: of its owner; None if somebody else asks, who may let it use everything.
    :raises InvalidGraph: with each tool and model that is gone, or that the roles do not allow.
    :raises InvalidInputs: with each input that does not fit any more.
    """
    registry = app_state.registry
    key = (execution.graph_id, execution.graph_version)
    graph = graphs.parse(session.get_one(app_state.models.graph_version, key).document)
    if problems := graphs.check_names(graph, registry.permissions_for(roles)):
        raise InvalidGraph(problems[0].detail, problems)
    graphs.check_inputs(graph, execution.inputs, registry.storages)


def _check_priority(priority: object) -> None:
    if type(priority) is not int or priority not in PRIORITIES:
        detail = f"A priority is a whole number from 1 (most urgent) to 10, not {priority!r}."
        raise InvalidPriority(detail, [Problem("/priority", "invalid-priority", detail)])


def _check_size(app_state: AppState, inputs: Mapping[str, t.Any]) -> None:
    try:
        size = len(json.dumps(inputs, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        detail = "Inputs must be plain JSON: text, finite numbers, booleans, lists and objects."
        raise InvalidInputs(detail, [Problem("/inputs", "not-json", detail)]) from error
    if size > app_state.settings.max_inputs_bytes:
        detail = f"Inputs may have {app_state.settings.max_inputs_bytes} bytes as JSON, not {size}."
        raise InvalidInputs(detail, [Problem("/inputs", "too-large", detail)])


def _insert(app_state: AppState, execution: ExecutionMixin) -> None:
    queued = _first_event(execution)
    if supports_cte_writes(app_state):
        insert_with_event(app_state, execution, queued)
        return
    if execution.published_at is not None:
        execution.published_at = database_clock.now()
    with app_state.database.write_transaction() as session:
        session.add(execution)
        session.flush()
        event_log.insert_numbered(session, app_state.models, execution.id, [queued], last=1)
        session.info[CHANGED_EXECUTIONS].clear()  # nobody knows its id yet, so nobody listens


def _first_event(execution: ExecutionMixin) -> NewEvent:
    return NewEvent("queued", {"priority": execution.priority}, execution.queued_at)
