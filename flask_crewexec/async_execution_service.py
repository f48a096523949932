"""Queue, watch, cancel and repeat executions from Python."""

from __future__ import annotations

import json
import time
import typing as t
import uuid
from collections.abc import Mapping
from collections.abc import Sequence

import marshmallow as ma
import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ExecutableOption
from uuid_utils.compat import uuid7

from . import events
from . import graphs
from . import states
from .binding import Binding
from .binding import current_binding
from .celery_app import publish
from .errors import InvalidInputs
from .errors import InvalidPriority
from .errors import NotFound
from .errors import Problem
from .errors import WrongState
from .graph_service import as_uuid
from .graph_service import find_graph
from .graph_service import find_version
from .identity import Identity
from .models import ExecutionMixin
from .models import StepMixin
from .ownership import Asker
from .ownership import owned
from .schemas import CancelSchema
from .schemas import EventQuerySchema
from .schemas import EventSchema
from .schemas import ExecutionQuerySchema
from .schemas import ExecutionSchema
from .schemas import ExecutionStatusSchema
from .schemas import load
from .schemas import OwnerSchema
from .schemas import QueueRequestSchema
from .schemas import StepSchema
from .states import PRIORITIES
from .states import State

Id = uuid.UUID | str
Json = dict[str, t.Any]

_STATUS: t.Final = ExecutionStatusSchema(exclude=("steps",))
_EXECUTIONS: t.Final = ExecutionSchema(many=True)
_LIST: t.Final = ExecutionQuerySchema(unknown=ma.INCLUDE)  # hosts have columns of their own
_THREAD: t.Final = QueueRequestSchema(only=("thread_id",))
_STEPS: t.Final = StepSchema(many=True)
_EVENTS: t.Final = EventSchema(many=True)


class AsyncExecutionService:
    """Executions of the current application; make one wherever you need it.

    Each method uses database transactions of its own: commit what they should see, for instance
    a new user, before you call them.
    """

    def queue_execution(
        self,
        graph_id: Id,
        thread_id: Id | None,
        user_id: object,
        inputs: Mapping[str, t.Any] | None = None,
        priority: int = 5,
    ) -> str:
        """Queue one run of the newest version of a graph and return its task id.

        :param thread_id: anything that groups executions for you, such as a conversation.
        :param user_id: who pays and who may see it; the graph must be theirs.
        :param inputs: values for the placeholders of the graph.
        :param priority: from 1, the most urgent, to 10.
        :raises NotFound: if the user has no such graph.
        :raises InvalidGraph: if the graph names a tool or model that is no longer registered.
        :raises InvalidInputs: if a placeholder has no value, or the inputs are too large.
        :raises InvalidPriority: if the priority is not from 1 to 10.
        :raises InvalidRequest: if *thread_id* or *user_id* cannot be stored.
        :raises BrokerUnavailable: if the message could not be sent; nothing is left behind.
        """
        return t.cast(str, self.queue(graph_id, thread_id, user_id, inputs, priority)["id"])

    def queue(
        self,
        graph_id: Id,
        thread_id: Id | None,
        user_id: object,
        inputs: Mapping[str, t.Any] | None = None,
        priority: int = 5,
    ) -> Json:
        """Do what :meth:`queue_execution` does and return the status as it was stored."""
        binding = current_binding()
        inputs = {} if inputs is None else inputs
        execution = _new_execution(binding, graph_id, thread_id, user_id, inputs, priority)
        with binding.session() as session, session.begin():
            session.add(execution)
            session.flush()
            queued = events.Entry("queued", {"priority": priority})
            events.append(session, binding.models, execution.id, [queued])
        _publish_or_withdraw(binding, execution)
        return _status(execution, [])

    def get_task_status(self, task_id: Id, asker: Asker = None) -> Json:
        """Return what is known of an execution: status, result, progress, error, usage, times.

        :raises NotFound: if there is none, or not for *asker*.
        """
        binding = current_binding()
        with binding.session() as session:
            execution = _find(session, binding, task_id, asker)
            steps = session.scalars(_steps_of(binding, execution.id)).all()
        return _status(execution, steps)

    def list_executions(
        self,
        asker: Asker = None,
        *,
        before: uuid.UUID | None = None,
        limit: int = 50,
        **filters: object,
    ) -> list[Json]:
        """Return executions, newest first, without their inputs, steps and results.

        :param before: continue behind this execution.
        :param filters: columns that must equal a value: ``status``, ``graph_id``, ``thread_id``.
        :raises InvalidRequest: if one of them cannot be such a value.
        """
        page = load(_LIST, {"before": before, "limit": limit, **filters})
        before, limit = page.pop("before"), page.pop("limit")
        binding = current_binding()
        execution = binding.models.execution
        query = owned(sa.select(execution), execution, asker).order_by(execution.id.desc())
        query = query.filter_by(**page).limit(limit).options(*_without_large(execution))
        if before is not None:
            query = query.where(execution.id < before)
        with binding.session() as session:
            return t.cast("list[Json]", _EXECUTIONS.dump(session.scalars(query)))

    def get_events(
        self, task_id: Id, asker: Asker = None, *, after: int = 0, limit: int = 200
    ) -> list[Json]:
        """Return events with a number greater than *after*, in order.

        :raises NotFound: if there is no such execution, or not for *asker*.
        :raises InvalidRequest: if *after* or *limit* is out of range.
        """
        page = load(EventQuerySchema(), {"after": after, "limit": limit})
        binding = current_binding()
        event = binding.models.event
        with binding.session() as session:
            execution = _find(session, binding, task_id, asker)
            query = sa.select(event).order_by(event.seq).limit(page["limit"])
            query = query.where(event.execution_id == execution.id, event.seq > page["after"])
            return t.cast("list[Json]", _EVENTS.dump(session.scalars(query)))

    def wait(self, task_id: Id, asker: Asker = None, *, seconds: float) -> Json:
        """Return the status as soon as the execution has ended, or after *seconds*.

        :raises NotFound: if there is none, or not for *asker*.
        """
        deadline = time.monotonic() + seconds
        pause = 0.05
        while (left := deadline - time.monotonic()) > 0 and not _has_ended(task_id, asker):
            time.sleep(min(pause, left))
            pause = min(pause * 2, 1.0)
        return self.get_task_status(task_id, asker)

    def cancel_task(
        self, task_id: Id, asker: Asker = None, *, by: str | None = None, reason: str | None = None
    ) -> bool:
        """Stop an execution: at once if no worker holds it, else before its next call.

        Asking again changes nothing. Outputs of finished steps are kept.

        :param by: who asks, as it will be shown.
        :return: False if the execution has already ended otherwise.
        :raises NotFound: if there is none, or not for *asker*.
        :raises InvalidRequest: if *by* or *reason* cannot be stored.
        """
        load(CancelSchema(), {"by": by, "reason": reason})
        binding = current_binding()
        models = binding.models
        with binding.session() as session, session.begin():
            execution = _find(session, binding, task_id, asker)
            change = {"by": by, "reason": reason}
            if states.cancel_unclaimed(session, models, execution.id, by, reason):
                events.append(session, models, execution.id, [events.Entry("cancelled", change)])
                return True
            if states.ask_to_cancel(session, models, execution.id, by, reason):
                entry = events.Entry("cancel_requested", change)
                events.append(session, models, execution.id, [entry])
                return True
            session.refresh(execution)
            return execution.cancel_requested_at is not None and execution.status in (
                State.RUNNING,
                State.CANCELLED,
            )

    def retry(self, task_id: Id, asker: Asker = None) -> Json:
        """Queue another attempt of an ended execution; it continues behind the finished steps.

        :raises NotFound: if there is none, or not for *asker*.
        :raises WrongState: if it has not ended, or ended well.
        :raises BrokerUnavailable: if the message could not be sent; all is as before.
        """
        binding = current_binding()
        with binding.session() as session, session.begin():
            former = _find(session, binding, task_id, asker)
            session.expunge(former)
            if former.status not in states.REPEATABLE:
                raise WrongState(
                    f"The execution is '{former.status}'; only a failed, cancelled or timed out"
                    " one can be tried again."
                )
            if not states.requeue(session, binding.models, former):
                raise WrongState(
                    "Somebody else has just asked for another attempt of this execution. Look at"
                    " its status."
                )
            entry = events.Entry("queued", {"attempt": former.attempt + 1})
            events.append(session, binding.models, former.id, [entry])
        _publish_or_restore(binding, former)
        return self.get_task_status(task_id, asker)


def _new_execution(
    binding: Binding,
    graph_id: Id,
    thread_id: Id | None,
    user_id: object,
    inputs: Mapping[str, t.Any],
    priority: int,
) -> ExecutionMixin:
    _check_priority(priority)
    _check_size(binding, inputs)
    owner = load(OwnerSchema(), {"user_id": user_id})["user_id"]
    thread = load(_THREAD, {"thread_id": None if thread_id is None else str(thread_id)})
    with binding.session() as session:
        stored = find_graph(session, binding, graph_id, Identity(owner))
        version = find_version(session, binding, stored)
    registry = binding.registry
    graph = graphs.validate(version.document, registry.tools, registry.models)
    graphs.check_inputs(graph, inputs)
    return binding.models.execution(
        id=uuid7(),
        owner_id=owner,
        thread_id=thread["thread_id"],
        graph_id=version.graph_id,
        graph_version=version.number,
        status=State.QUEUED,
        priority=priority,
        inputs=dict(inputs),
        attempt=1,
        total_steps=len(graph.tasks),
    )


def _check_priority(priority: object) -> None:
    if type(priority) is not int or priority not in PRIORITIES:
        detail = f"A priority is a whole number from 1 (most urgent) to 10, not {priority!r}."
        raise InvalidPriority(detail, [Problem("/priority", "invalid-priority", detail)])


def _check_size(binding: Binding, inputs: Mapping[str, t.Any]) -> None:
    try:
        size = len(json.dumps(inputs, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        detail = "Inputs must be plain JSON: text, finite numbers, booleans, lists and objects."
        raise InvalidInputs(detail, [Problem("/inputs", "not-json", detail)]) from error
    if size > binding.settings.max_inputs_bytes:
        detail = f"Inputs may have {binding.settings.max_inputs_bytes} bytes as JSON, not {size}."
        raise InvalidInputs(detail, [Problem("/inputs", "too-large", detail)])


def _publish_or_withdraw(binding: Binding, execution: ExecutionMixin) -> None:
    """Send the message; if that fails, forget the execution, unless it arrived after all."""
    try:
        publish(binding, execution.id, execution.attempt, execution.priority)
    except Exception:
        with binding.session() as session, session.begin():
            withdrawn = states.withdraw(session, binding.models, execution.id)
        if withdrawn:
            raise


def _publish_or_restore(binding: Binding, former: ExecutionMixin) -> None:
    """Send the message; if that fails, undo the requeueing, unless it arrived after all."""
    try:
        publish(binding, former.id, former.attempt + 1, former.priority)
    except Exception:
        with binding.session() as session, session.begin():
            restored = states.withdraw_requeue(session, binding.models, former)
        if restored:
            raise


def _find(session: Session, binding: Binding, task_id: Id, asker: Asker) -> ExecutionMixin:
    execution = binding.models.execution
    query = owned(sa.select(execution), execution, asker)
    found = session.scalar(query.where(execution.id == as_uuid(task_id, "execution")))
    if found is None:
        raise NotFound(f"There is no execution '{task_id}'.")
    return found


def _has_ended(task_id: Id, asker: Asker) -> bool:
    """Look at no more than the status; nothing to be found is an end too."""
    binding = current_binding()
    execution = binding.models.execution
    query = owned(sa.select(execution.status), execution, asker)
    with binding.session() as session:
        status = session.scalar(query.where(execution.id == as_uuid(task_id, "execution")))
    return status is None or status in states.FINAL


def _without_large(execution: type[ExecutionMixin]) -> list[ExecutableOption]:
    return [defer(column, raiseload=True) for column in (execution.inputs, execution.result)]


def _steps_of(binding: Binding, execution_id: uuid.UUID) -> sa.Select[StepMixin]:
    step = binding.models.step
    return sa.select(step).where(step.execution_id == execution_id).order_by(step.position)


def _status(execution: ExecutionMixin, steps: Sequence[StepMixin]) -> Json:
    return {**_STATUS.dump(execution), "steps": _STEPS.dump(steps)}
