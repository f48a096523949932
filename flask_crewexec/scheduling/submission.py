"""Submission: store an execution and publish its message.

The row is committed before the message is sent, because only the row counts.
"""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from .. import graphs
from ..app_state import AppState
from ..database import CHANGED_EXECUTIONS
from ..errors import CrewExecError
from ..errors import IdempotencyKeyInUse
from ..errors import IdempotencyKeyReused
from ..errors import Problem
from ..ids import parse_uuid
from ..models import ExecutionMixin
from ..models import UnmappedExecution
from ..observability import tracing
from ..observability.request_id import current_request_id
from ..schemas.notifications import stored_patterns
from ..statuses import ExecutionStatus
from ..storage import event_log
from ..storage.cte_writes import supports_cte_writes
from ..storage.database_errors import is_duplicate_idempotency_key
from ..storage.execution_queries import find_by_idempotency_key
from ..storage.graph_cache import graph_cache
from ..storage.graph_cache import Version
from ..storage.new_event import NewEvent
from ..storage.outbox import wants_queued
from ..storage.webhooks import ensure_of_executions
from .admission import Admission
from .admission import admit
from .delivery import keep_or_delete
from .delivery import publish_or_delete
from .delivery import require_broker
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

_STILL_QUEUING: t.Final = (
    "The first submission with this key is still being queued. Send it again in a moment."
)


class _CheckedSubmission(t.NamedTuple):
    """A submission that may be queued."""

    request: ValidSubmission
    version: Version
    graph: graphs.Graph
    inputs: dict[str, t.Any]
    """With the graph's defaults."""
    admission: Admission
    now: dt.datetime | None
    """The database's time; None if the statement that inserts it will tell."""


class Submitted(t.NamedTuple):
    """What became of a submission."""

    execution: ExecutionMixin
    is_replay: bool
    """Whether an earlier submission with the same idempotency key had queued it."""


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
    if duplicate := _find_duplicate(app_state, request):
        return Submitted(duplicate, is_replay=True)
    request = _with_effective_limits(app_state, request)
    if (execution := _submit_fast_path(app_state, request)) is not None:
        submitted = Submitted(execution, is_replay=False)
    else:
        submitted = _submit_slow_path(app_state, request)
    _log_queued(submitted.execution)
    return submitted


def _log_queued(execution: ExecutionMixin) -> None:
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
    if duplicate := _find_duplicate(app_state, request):
        with app_state.database.read_session() as session:
            key = (duplicate.graph_id, duplicate.graph_version)
            version = session.get_one(app_state.models.graph_version, key)
        return Preview(duplicate, graphs.parse(version.document), is_stored=True)
    checked = _check(app_state, _with_effective_limits(app_state, request))
    return Preview(_build_execution(app_state, checked), checked.graph, is_stored=False)


def _with_effective_limits(app_state: AppState, request: ValidSubmission) -> ValidSubmission:
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
    inserted = insert_if_unchanged(app_state, execution, _queued_event(execution))
    if inserted is None:
        return None
    tracing.set_execution_attribute(execution.id)
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


def _check_cached_graph(app_state: AppState, request: ValidSubmission) -> _CheckedSubmission | None:
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
    return _CheckedSubmission(request, version, graph, inputs, Admission.PUBLISH, None)


def _submit_slow_path(app_state: AppState, request: ValidSubmission) -> Submitted:
    execution = _build_execution(app_state, _check(app_state, request))
    tracing.set_execution_attribute(execution.id)
    if execution.on_hold:
        require_broker(app_state)
    try:
        _insert(app_state, execution)
    except IntegrityError as error:
        if not is_duplicate_idempotency_key(error):
            raise
        # Another submission with the key was faster, or has just been deleted again.
        if duplicate := _find_duplicate(app_state, request):
            return Submitted(duplicate, is_replay=True)
        raise IdempotencyKeyInUse(_STILL_QUEUING) from error
    if execution.on_hold:
        # Executions ahead of it may have been claimed in the meantime.
        release_next(app_state, execution.owner_id)
    else:
        publish_or_delete(app_state, execution)
    return Submitted(execution, is_replay=False)


def _check(app_state: AppState, request: ValidSubmission) -> _CheckedSubmission:
    submission = request.submission
    graph_id = parse_uuid(submission.graph_id, "graph")
    lookup = look_up(app_state, request.owner_id, graph_id, request.priority)
    inputs = check_graph_use(app_state, lookup.graph, submission)
    admission = admit(app_state, request.owner_id, lookup.admission)
    return _CheckedSubmission(request, lookup.version, lookup.graph, inputs, admission, lookup.now)


def _find_duplicate(app_state: AppState, request: ValidSubmission) -> ExecutionMixin | None:
    """Return the execution of an earlier submission with the same key.

    :raises IdempotencyKeyReused: if that submission had another content.
    :raises IdempotencyKeyInUse: if its message may not have been sent yet.
    """
    key = request.submission.idempotency_key
    if key is None:
        return None
    execution = find_by_idempotency_key(app_state, request.owner_id, key)
    if execution is None:
        return None
    if execution.idempotency_digest != request.submission.fingerprint():
        detail = f"The key '{key}' was used for a different submission. Use a new key."
        problem = Problem("/idempotency_key", IdempotencyKeyReused.code, detail)
        raise IdempotencyKeyReused(detail, [problem])
    is_queued = execution.status == ExecutionStatus.QUEUED and execution.attempt == 1
    if is_queued and execution.published_at is None and not execution.on_hold:
        raise IdempotencyKeyInUse(_STILL_QUEUING)
    return execution


def _build_execution(app_state: AppState, checked: _CheckedSubmission) -> ExecutionMixin:
    request, now = checked.request, checked.now
    submission, on_hold = request.submission, checked.admission is Admission.HOLD
    key = submission.idempotency_key
    values = {
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
        "idempotency_digest": None if key is None else submission.fingerprint(),
        **request_context(),
        **with_graph_limits(request.limits, checked.graph),
        **_webhook_columns(request),
    }
    return new_execution(app_state, values)


def _webhook_columns(request: ValidSubmission) -> dict[str, str]:
    webhook = request.webhook
    if webhook is None:
        return {}
    return {"webhook_url": webhook["url"], "webhook_events": stored_patterns(webhook["events"])}


def request_context() -> dict[str, str | None]:
    """Return the ids of the current request and trace, which are stored with an execution."""
    return {"request_id": current_request_id(), "traceparent": tracing.current_traceparent()}


def _insert(app_state: AppState, execution: ExecutionMixin) -> None:
    event = _queued_event(execution)
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


def _queued_event(execution: ExecutionMixin) -> NewEvent:
    return NewEvent("queued", {"priority": execution.priority})
