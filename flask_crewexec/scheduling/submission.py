"""Submission: store an execution and publish its message.

The row is committed before the message is sent, because only the row counts.
"""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

from uuid_utils.compat import uuid7

from .. import graphs
from ..app_state import AppState
from ..database import CHANGED_EXECUTIONS
from ..errors import CrewExecError
from ..ids import parse_uuid
from ..models import ExecutionMixin
from ..models import UnmappedExecution
from ..observability import tracing
from ..observability.request_id import current_request_id
from ..schemas.notifications import stored_patterns
from ..statuses import ExecutionStatus
from ..storage import event_log
from ..storage.cte_writes import supports_cte_writes
from ..storage.graph_cache import graph_cache
from ..storage.graph_cache import Version
from ..storage.new_event import NewEvent
from ..storage.outbox import wants_queued
from ..storage.webhooks import ensure_of_executions
from .admission import Admission
from .admission import admit
from .delivery import keep_or_delete
from .delivery import publish_or_delete
from .enqueueing import enqueue
from .enqueueing import find_duplicate
from .enqueueing import Idempotency
from .enqueueing import Submitted
from .fair_scheduler import release_next
from .run_limits import effective_limits
from .run_limits import with_graph_limits
from .submission_checks import check_graph_use
from .submission_checks import effective_priority
from .submission_checks import Submission
from .submission_checks import validate_request
from .submission_checks import ValidSubmission
from .submission_statements import insert_if_unchanged
from .submission_statements import insert_with_event
from .submission_statements import look_up
from .submission_statements import new_execution

log = logging.getLogger(__name__)


class CheckedSubmission(t.NamedTuple):
    """A submission that may be queued."""

    request: ValidSubmission
    version: Version
    graph: graphs.Graph
    inputs: dict[str, t.Any]
    """With the graph's defaults."""
    admission: Admission
    now: dt.datetime | None
    """The database's time; None if the statement that inserts it will tell."""


class Preview(t.NamedTuple):
    """What a submission would become."""

    execution: ExecutionMixin
    """Not stored, unless *is_stored*."""
    graph: graphs.Graph
    is_stored: bool
    """Whether the same submission was queued with the same key before."""


@tracing.trace_submission()
def submit(app_state: AppState, submission: Submission) -> Submitted:
    """Store an execution, publish its message, and return it.

    If the idempotency key was used before, return the execution of the first submission.
    """
    request = validate_request(app_state, submission)
    if duplicate := find_duplicate(app_state, idempotency_of(request)):
        return Submitted(duplicate, is_replay=True)
    request = with_effective_limits(app_state, request)
    if (execution := _submit_fast_path(app_state, request)) is not None:
        submitted = Submitted(execution, is_replay=False)
    else:
        submitted = _submit_slow_path(app_state, request)
    log_queued(submitted.execution)
    return submitted


def log_queued(execution: ExecutionMixin) -> None:
    """Log the ids of an execution, by which its further lines in other processes are found."""
    ids = {"execution_id": str(execution.id), "graph_id": str(execution.graph_id)}
    log.info(
        "Execution %(execution_id)s of graph %(graph_id)s was queued.",
        ids,
        extra={**ids, "user_id": execution.owner_id},
    )


def preview(app_state: AppState, submission: Submission) -> Preview:
    """Do every check of :func:`submit`, but store and send nothing."""
    request = validate_request(app_state, submission)
    if duplicate := find_duplicate(app_state, idempotency_of(request)):
        with app_state.database.read_session() as session:
            key = (duplicate.graph_id, duplicate.graph_version)
            version = session.get_one(app_state.models.graph_version, key)
        return Preview(duplicate, graphs.parse(version.document), is_stored=True)
    checked = _check(app_state, with_effective_limits(app_state, request))
    return Preview(_build_execution(app_state, checked), checked.graph, is_stored=False)


def with_effective_limits(app_state: AppState, request: ValidSubmission) -> ValidSubmission:
    given = request.submission.priority
    return request._replace(
        priority=effective_priority(app_state, request.owner_id, given),
        limits=effective_limits(app_state, request.limits),
    )


def _submit_fast_path(app_state: AppState, request: ValidSubmission) -> ExecutionMixin | None:
    """Submit with one statement, which also decides whether the execution is put on hold.

    :return: None if any precondition fails; the slow path then reports which.
    """
    if not _allows_fast_path(app_state, request):
        return None
    checked = _check_cached_graph(app_state, request)
    if checked is None:
        return None
    execution = _build_execution(app_state, checked)
    inserted = insert_if_unchanged(app_state, execution, queued_event(execution))
    if inserted is None:
        return None
    _name_in_trace(execution)
    if not execution.on_hold:
        publish_or_delete(app_state, execution)
        return execution
    keep_or_delete(app_state, execution)
    if inserted.may_release:
        release_next(app_state, execution.owner_id)
    return execution


def _allows_fast_path(app_state: AppState, request: ValidSubmission) -> bool:
    needs_checks = (
        app_state.settings.has_user_limits or request.submission.idempotency_key is not None
    )
    return not needs_checks and supports_cte_writes(app_state) and not wants_queued(app_state)


def _check_cached_graph(app_state: AppState, request: ValidSubmission) -> CheckedSubmission | None:
    """Check a submission against the newest version of its graph in the cache."""
    cache = graph_cache.current()
    try:
        version = cache.newest_cached(parse_uuid(request.submission.graph_id, "graph"))
        graph = None if version is None else cache.get(version)
        if version is None or graph is None:
            return None
        inputs = check_graph_use(app_state, graph, request.submission)
    except CrewExecError:
        return None  # there may be a newer version, or none for this user
    return CheckedSubmission(request, version, graph, inputs, Admission.PUBLISH, None)


def _submit_slow_path(app_state: AppState, request: ValidSubmission) -> Submitted:
    execution = _build_execution(app_state, _check(app_state, request))
    _name_in_trace(execution)
    key = idempotency_of(request)
    return enqueue(app_state, execution, key, lambda: _insert(app_state, execution))


def _check(app_state: AppState, request: ValidSubmission) -> CheckedSubmission:
    submission = request.submission
    graph_id = parse_uuid(submission.graph_id, "graph")
    lookup = look_up(app_state, request.owner_id, graph_id, request.priority)
    inputs = check_graph_use(app_state, lookup.graph, submission)
    admission = admit(app_state, request.owner_id, lookup.admission)
    return CheckedSubmission(request, lookup.version, lookup.graph, inputs, admission, lookup.now)


def idempotency_of(request: ValidSubmission) -> Idempotency:
    """Return by what a submission is known if it is sent again."""
    key = request.submission.idempotency_key
    digest = None if key is None else request.submission.fingerprint()
    return Idempotency(request.owner_id, key, digest)


def _build_execution(app_state: AppState, checked: CheckedSubmission) -> ExecutionMixin:
    values = column_values(checked, idempotency_of(checked.request))
    execution = new_execution(app_state, values)
    execution.graph_name = checked.graph.name
    return execution


def column_values(checked: CheckedSubmission, idempotency: Idempotency) -> dict[str, t.Any]:
    """Return the values of a new execution's columns that are not the defaults."""
    request, now = checked.request, checked.now
    on_hold, key = checked.admission is Admission.HOLD, idempotency.key
    return {
        "id": uuid7(),
        "owner_id": request.owner_id,
        "thread_id": request.thread_id,
        "graph_id": checked.version.graph_id,
        "graph_version": checked.version.number,
        "status": ExecutionStatus.QUEUED,
        "priority": request.priority,
        "urgency": request.priority,
        "inputs": checked.inputs,
        "total_steps": len(checked.graph.tasks),
        "on_hold": on_hold,
        "last_event": 1,
        "created_at": now,
        "queued_at": now,
        # Submissions with the same key must not rely on it before the message is sent.
        "published_at": None if on_hold or key is not None else now,
        "idempotency_key": key,
        "idempotency_digest": idempotency.digest,
        **request_context(),
        **with_graph_limits(request.limits, checked.graph),
        **_webhook_columns(request),
        **request.submission.extra,
    }


def _webhook_columns(request: ValidSubmission) -> dict[str, str]:
    webhook = request.webhook
    if webhook is None:
        return {}
    return {"webhook_url": webhook["url"], "webhook_events": stored_patterns(webhook["events"])}


def request_context() -> dict[str, str | None]:
    """Return the ids of the current request and trace, which are stored with an execution."""
    return {"request_id": current_request_id(), "traceparent": tracing.current_traceparent()}


def _name_in_trace(execution: ExecutionMixin) -> None:
    if execution.traceparent is not None:
        tracing.set_execution_attribute(execution.id)


def _insert(app_state: AppState, execution: ExecutionMixin) -> None:
    event = queued_event(execution)
    if isinstance(execution, UnmappedExecution):
        insert_with_event(app_state, execution, event)
        return
    with app_state.database.write_transaction() as session:
        session.add(execution)
        session.flush()
        if execution.webhook_url is not None:
            ensure_of_executions(session, app_state.models, execution.owner_id)
        dated = [event.at(execution.queued_at)]
        event_log.insert_numbered(session, app_state, execution.id, dated, last=1)
        # No subscriber is notified, because nobody knows the id yet.
        session.info[CHANGED_EXECUTIONS].clear()


def queued_event(execution: ExecutionMixin) -> NewEvent:
    return NewEvent("queued", {"priority": execution.priority})
