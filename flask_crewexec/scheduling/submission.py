"""From an order to a row and a message: the row first, since only the row counts."""

from __future__ import annotations

import json
import logging
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from .. import clock
from .. import graphs
from ..app_state import AppState
from ..app_state import CHANGED_EXECUTIONS
from ..errors import BrokerUnavailable
from ..errors import CrewExecError
from ..errors import IdempotencyKeyInUse
from ..errors import IdempotencyKeyReused
from ..errors import InvalidGraph
from ..errors import InvalidInputs
from ..errors import InvalidPriority
from ..errors import InvalidRequest
from ..errors import Problem
from ..messaging.celery_app import check_broker
from ..messaging.celery_app import publish_attempt
from ..models import ExecutionMixin
from ..observability import tracing
from ..observability.request_id import current_request_id
from ..schemas import LimitsSchema
from ..schemas import load
from ..schemas import OrderSchema
from ..services.graph_service import parse_uuid
from ..storage import database_clock
from ..storage import event_log
from ..storage import transitions
from ..storage.cte_writes import supports_cte_writes
from ..storage.graph_cache import graph_cache
from ..storage.graph_cache import Version
from ..storage.ownership import owned_by
from ..storage.transitions import ExecutionStatus
from ..storage.transitions import PRIORITIES
from .admission import admit
from .fair_scheduler import release_next
from .submission_statements import insert_if_unchanged
from .submission_statements import insert_with_event
from .submission_statements import look_up
from .submission_statements import new_execution

log = logging.getLogger(__name__)

_ASK_AGAIN: t.Final = "The first order with this key is being queued. Ask again in a moment."

_WAITS: t.Final = "The broker is away; execution %s waits in the database."

# Made once: making one takes longer than using it.
_FORM: t.Final = OrderSchema()
_LIMITS: t.Final = LimitsSchema()

Json = dict[str, t.Any]
Limits = dict[str, float | int | None]


class Submission(t.NamedTuple):
    """What somebody wants to be run."""

    graph_id: uuid.UUID | str
    thread_id: uuid.UUID | str | None
    user_id: object
    inputs: Mapping[str, t.Any]
    priority: int
    limits: Limits
    """``timeout``, ``max_llm_calls`` and ``max_tokens``, as far as they were given."""
    key: str | None
    """The same order with the same key is placed once."""
    roles: Collection[str] = ()
    """What the user is; it does not belong to the order."""

    def digest(self) -> str:
        """Return what tells this order from others with the same key."""
        ids = [str(self.graph_id), self.thread_id and str(self.thread_id)]
        limits = {name: value for name, value in self.limits.items() if value is not None}
        return graphs.digest([*ids, self.inputs, self.priority, limits])


@tracing.trace_submission()
def submit(binding: AppState, order: Submission) -> ExecutionMixin:
    """Store an execution, tell the workers, and return it.

    An order whose key was used before gives the execution that was made then.
    """
    form = _validate_request(binding, order)
    owner = form["user_id"]
    if order.key is not None and (known := _find_duplicate(binding, owner, order)):
        return known
    if placed := _submit_fast_path(binding, form, order):
        return placed
    execution, _ = _new_execution(binding, form, order)
    tracing.set_execution_attribute(execution.id)
    if execution.held:
        require_broker(binding)
    try:
        _insert(binding, execution)
    except IntegrityError as error:
        if "idempotency" not in str(error.orig):
            raise
        # Somebody was faster with the same key, or has just withdrawn the order.
        if known := _find_duplicate(binding, owner, order):
            return known
        raise IdempotencyKeyInUse(_ASK_AGAIN) from error
    if execution.held:
        release_next(binding, owner)  # what was ahead of it may have been claimed meanwhile
    else:
        _publish_or_delete(binding, execution)
    return execution


def _submit_fast_path(binding: AppState, form: Json, order: Submission) -> ExecutionMixin | None:
    """Place an order in the shortest way; None if anything stands in it.

    What it is, the long way finds out.
    """
    limited = binding.settings.limits_users or order.key is not None
    checked = (
        None if limited or not supports_cte_writes(binding) else _check_cached_graph(binding, order)
    )
    if checked is None:
        return None
    execution = _build_execution(binding, form, order, checked)
    if not insert_if_unchanged(binding, execution, _first_event(execution)):
        return None
    tracing.set_execution_attribute(execution.id)
    _publish_or_delete(binding, execution)
    return execution


def _check_cached_graph(binding: AppState, order: Submission) -> _CheckedSubmission | None:
    """Check an order against the newest version that this process knows."""
    cache = graph_cache.current()
    try:
        version = cache.newest(parse_uuid(order.graph_id, "graph"))
        graph = None if version is None else cache.get(version)
        if version is None or graph is None:
            return None
        return _CheckedSubmission(
            version, graph, _check_graph_use(binding, graph, order), held=False
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


def preview(binding: AppState, order: Submission) -> Preview:
    """Do every check of :func:`place`, but store and send nothing."""
    form = _validate_request(binding, order)
    if order.key is not None and (known := _find_duplicate(binding, form["user_id"], order)):
        with binding.session() as session:
            key = (known.graph_id, known.graph_version)
            version = session.get_one(binding.models.graph_version, key)
        return Preview(known, graphs.parse(version.document), known=True)
    return Preview(*_new_execution(binding, form, order), known=False)


def _validate_request(binding: AppState, order: Submission) -> Json:
    """Check what needs no look at the database, and return it as it is to be stored."""
    _check_priority(order.priority)
    _check_size(binding, order.inputs)
    form = {
        "user_id": order.user_id,
        "thread_id": None if order.thread_id is None else str(order.thread_id),
        "idempotency_key": order.key,
        **order.limits,
    }
    return load(_FORM, form)


def validate_limits(binding: AppState, given: Limits) -> Limits:
    """Return *given* as limits that are within those of the settings.

    :raises InvalidRequest: if one is no limit, or above what the settings allow.
    """
    return _enforce_maximum(default_limits(binding), load(_LIMITS, given))


def _enforce_maximum(most: Limits, limits: Limits) -> Limits:
    problems = [
        Problem(f"/{name}", "above-limit", f"{name} may be {most[name]} at most, not {value}.")
        for name, value in limits.items()
        if value is not None and most[name] is not None and value > most[name]  # type: ignore[operator]
    ]
    if problems:
        raise InvalidRequest(problems[0].detail, problems)
    return {name: value for name, value in limits.items() if value is not None}


def default_limits(binding: AppState) -> Limits:
    """Return the limits of an execution that brings none of its own."""
    settings = binding.settings
    return {
        "timeout": settings.max_runtime,
        "max_llm_calls": settings.max_llm_calls,
        "max_tokens": settings.max_tokens,
    }


def _find_duplicate(binding: AppState, owner: str, order: Submission) -> ExecutionMixin | None:
    """Return what an earlier order with the same key has become."""
    execution = binding.models.execution
    query = sa.select(execution).where(
        owned_by(execution, owner), execution.idempotency_key == order.key
    )
    with binding.session() as session:
        found = session.scalar(query)
    if found is None:
        return None
    if found.idempotency_digest != order.digest():
        detail = f"The key '{order.key}' was used for a different order. Take a new one."
        raise IdempotencyKeyReused(
            detail, [Problem("/idempotency_key", IdempotencyKeyReused.code, detail)]
        )
    queued = found.status == ExecutionStatus.QUEUED and found.attempt == 1
    if queued and found.published_at is None and not found.held:
        raise IdempotencyKeyInUse(_ASK_AGAIN)
    return found


def _new_execution(
    binding: AppState, form: Json, order: Submission
) -> tuple[ExecutionMixin, graphs.Graph]:
    _effective_limits(binding, form)
    checked = _check_graph(binding, form["user_id"], order)
    return _build_execution(binding, form, order, checked), checked.graph


def _effective_limits(binding: AppState, form: Json) -> Limits:
    most = default_limits(binding)
    return {**most, **_enforce_maximum(most, {name: form[name] for name in most})}


def _build_execution(
    binding: AppState, form: Json, order: Submission, checked: _CheckedSubmission
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
        "held": checked.held,
        "last_event": 1,
        "created_at": now,
        "queued_at": now,
        # Whoever comes with the same key must not rely on it before the message is sent.
        "published_at": None if checked.held or order.key is not None else now,
        "idempotency_key": order.key,
        "idempotency_digest": None if order.key is None else order.digest(),
        **request_context(),
        **_effective_limits(binding, form),
    }
    return new_execution(binding, values)


def request_context() -> dict[str, str | None]:
    """Return what an execution keeps of the request and the trace that queue it."""
    return {"request_id": current_request_id(), "traceparent": tracing.current_traceparent()}


class _CheckedSubmission(t.NamedTuple):
    """An order that may be placed."""

    version: Version
    graph: graphs.Graph
    inputs: Json
    """With the graph's defaults."""
    held: bool
    """Whether it waits in the database for its user's turn."""


def _check_graph(binding: AppState, owner: str, order: Submission) -> _CheckedSubmission:
    found = look_up(binding, owner, parse_uuid(order.graph_id, "graph"), order.priority)
    inputs = _check_graph_use(binding, found.graph, order)
    held = admit(binding, owner, found.standing)
    return _CheckedSubmission(found.version, found.graph, inputs, held)


def _check_graph_use(binding: AppState, graph: graphs.Graph, order: Submission) -> Json:
    """Check that the order may use the graph, and return its inputs with the defaults."""
    registry = binding.registry
    graphs.check_use(graph, *registry.allowed(order.roles))
    inputs = graphs.check_inputs(graph, order.inputs, registry.storages)
    _check_size(binding, inputs)
    return inputs


def recheck(
    binding: AppState,
    session: Session,
    execution: ExecutionMixin,
    roles: Collection[str] | None,
) -> None:
    """Check that the host still offers what an execution names.

    :param roles: of its owner; None if somebody else asks, who may let it use everything.
    :raises InvalidGraph: with each tool and model that is gone, or that the roles do not allow.
    :raises InvalidInputs: with each input that does not fit any more.
    """
    registry = binding.registry
    key = (execution.graph_id, execution.graph_version)
    graph = graphs.parse(session.get_one(binding.models.graph_version, key).document)
    if problems := graphs.check_names(graph, *registry.allowed(roles)):
        raise InvalidGraph(problems[0].detail, problems)
    graphs.check_inputs(graph, execution.inputs, registry.storages)


def require_broker(binding: AppState) -> None:
    """Refuse what would need no message yet, as if it needed one: whoever asks is to know at once.

    :raises BrokerUnavailable: if the broker is away, unless the settings accept that.
    """
    if not binding.settings.accept_without_broker:
        check_broker(binding)


def _check_priority(priority: object) -> None:
    if type(priority) is not int or priority not in PRIORITIES:
        detail = f"A priority is a whole number from 1 (most urgent) to 10, not {priority!r}."
        raise InvalidPriority(detail, [Problem("/priority", "invalid-priority", detail)])


def _check_size(binding: AppState, inputs: Mapping[str, t.Any]) -> None:
    try:
        size = len(json.dumps(inputs, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        detail = "Inputs must be plain JSON: text, finite numbers, booleans, lists and objects."
        raise InvalidInputs(detail, [Problem("/inputs", "not-json", detail)]) from error
    if size > binding.settings.max_inputs_bytes:
        detail = f"Inputs may have {binding.settings.max_inputs_bytes} bytes as JSON, not {size}."
        raise InvalidInputs(detail, [Problem("/inputs", "too-large", detail)])


def _insert(binding: AppState, execution: ExecutionMixin) -> None:
    queued = _first_event(execution)
    if supports_cte_writes(binding):
        insert_with_event(binding, execution, queued)
        return
    if execution.published_at is not None:
        execution.published_at = database_clock.now()
    with binding.transaction() as session:
        session.add(execution)
        session.flush()
        event_log.insert_numbered(session, binding.models, execution.id, [queued], last=1)
        session.info[CHANGED_EXECUTIONS].clear()  # nobody knows its id yet, so nobody listens


def _first_event(execution: ExecutionMixin) -> event_log.NewEvent:
    return event_log.NewEvent("queued", {"priority": execution.priority}, execution.queued_at)


def _publish_or_delete(binding: AppState, execution: ExecutionMixin) -> None:
    """Send the message; if that fails, forget the execution, unless it arrived after all."""
    _publish_or_compensate(
        binding,
        execution,
        execution.attempt,
        lambda session: transitions.delete_unpublished(session, binding.models, execution.id),
    )
    if execution.idempotency_key is not None:
        with binding.transaction() as session:
            transitions.mark_published(session, binding.models, execution.id, execution.attempt)


def publish_or_revert(binding: AppState, former: ExecutionMixin) -> None:
    """Send the message; if that fails, undo the requeueing, unless it arrived after all."""
    _publish_or_compensate(
        binding,
        former,
        former.attempt + 1,
        lambda session: transitions.revert_requeue(session, binding.models, former),
    )


def _publish_or_compensate(
    binding: AppState, execution: ExecutionMixin, attempt: int, undo: Callable[[Session], bool]
) -> None:
    """Send the message; where the settings say so, leave what cannot be sent to the reconciler."""
    try:
        publish_attempt(binding, execution.id, attempt, execution.priority)
    except Exception as error:  # raised, unless the message arrived after all
        away = isinstance(error, BrokerUnavailable)
        if away and binding.settings.accept_without_broker:
            log.warning(_WAITS, execution.id)
            return
        with binding.transaction() as session:
            undone = undo(session)
        if undone:
            raise


def republish(
    binding: AppState, execution_id: uuid.UUID, *conditions: sa.ColumnElement[bool]
) -> bool:
    """Send a message for a queued execution; False if none waits or the broker is away.

    The *conditions* are checked by the statement that notes the message, so of several callers
    who ask for an old message only one sends a new one.

    Whoever calls it has lost nothing in that case: the reconciler sends it later.
    """
    models = binding.models
    with binding.transaction() as session:
        execution = session.get(models.execution, execution_id)
        waits = execution is not None and transitions.mark_published(
            session, models, execution_id, execution.attempt, *conditions
        )
    if execution is None or not waits:
        return False
    try:
        publish_attempt(binding, execution_id, execution.attempt, execution.priority)
    except BrokerUnavailable:
        log.warning(_WAITS, execution_id)
        return False
    return True
