"""Queue, watch, cancel and repeat executions from Python."""

from __future__ import annotations

import time
import typing as t
import uuid
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

import marshmallow as ma
from sqlalchemy.orm import load_only
from sqlalchemy.orm import Session

from ..app_state import AppState
from ..app_state import current_app_state
from ..errors import WrongState
from ..models import ExecutionMixin
from ..models import StepMixin
from ..observability import tracing
from ..scheduling.admission import admit
from ..scheduling.admission import read_admission_row
from ..scheduling.delivery import publish_or_revert
from ..scheduling.delivery import require_broker
from ..scheduling.fair_scheduler import release_next
from ..scheduling.queue_position import queue_position
from ..scheduling.run_limits import validate_limits
from ..scheduling.submission import Preview
from ..scheduling.submission import preview
from ..scheduling.submission import recheck
from ..scheduling.submission import request_context
from ..scheduling.submission import Submission
from ..scheduling.submission import submit
from ..schemas import CancelSchema
from ..schemas import DryRunSchema
from ..schemas import EventQuerySchema
from ..schemas import EventSchema
from ..schemas import ExecutionQuerySchema
from ..schemas import ExecutionSchema
from ..schemas import ExecutionStatusSchema
from ..schemas import load
from ..schemas import StepSchema
from ..statuses import ExecutionStatus
from ..statuses import RETRYABLE
from ..statuses import TERMINAL
from ..storage import event_log
from ..storage import transitions
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import list_executions
from ..storage.execution_queries import read_status
from ..storage.execution_queries import steps_of
from ..storage.new_event import NewEvent
from ..storage.ownership import Requester
from .graph_report import execution_preview

Id = uuid.UUID | str
Json = dict[str, t.Any]


_STATUS: t.Final = ExecutionStatusSchema(exclude=("steps",))
_PLAN: t.Final = DryRunSchema()
_EXECUTIONS: t.Final = ExecutionSchema(many=True)
_LIST: t.Final = ExecutionQuerySchema(unknown=ma.INCLUDE)  # hosts have columns of their own
_STEPS: t.Final = StepSchema(many=True)
_EVENTS: t.Final = EventSchema(many=True)


class EventPage(t.NamedTuple):
    """Some events of an execution, in order."""

    events: list[Json]
    final_state: str | None
    """The state of the execution, if it has ended and no event follows these."""


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
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_llm_calls: int | None = None,
        max_tokens: int | None = None,
        roles: Collection[str] = (),
    ) -> str:
        """Queue one run of the newest version of a graph and return its task id.

        :param thread_id: anything that groups executions for you, such as a conversation.
        :param user_id: who pays and who may see it; the graph must be theirs.
        :param inputs: values for the placeholders of the graph.
        :param priority: from 1, the most urgent, to 10.
        :param idempotency_key: the same order of the same user with the same key is queued once;
            the second call returns the first one's id.
        :param timeout: seconds that it may take from its first start on.
        :param max_llm_calls: model calls that it may make, over all attempts.
        :param max_tokens: tokens after which it makes no more calls.
        :param roles: of the user, for tools and models that are for some roles only.
        :raises NotFound: if the user has no such graph.
        :raises InvalidGraph: if the graph names a tool or model that is no longer registered, or
            that the roles do not allow.
        :raises InvalidInputs: if the inputs do not fit the graph, or are too large.
        :raises InvalidPriority: if the priority is not from 1 to 10.
        :raises InvalidRequest: if a value cannot be stored, or a limit is above the settings'.
        :raises KeyReused: if the key was used for a different order.
        :raises KeyInUse: if the first order with the key is still being queued.
        :raises LimitReached: if the user may queue nothing for the moment.
        :raises BrokerUnavailable: if the message could not be sent; nothing is left behind. With
            ``CREWEXEC_ACCEPT_WITHOUT_BROKER`` it is sent later instead.
        """
        status = self.queue(
            graph_id,
            thread_id,
            user_id,
            inputs,
            priority,
            idempotency_key=idempotency_key,
            timeout=timeout,
            max_llm_calls=max_llm_calls,
            max_tokens=max_tokens,
            roles=roles,
        )
        return t.cast(str, status["id"])

    def queue(
        self,
        graph_id: Id,
        thread_id: Id | None,
        user_id: object,
        inputs: Mapping[str, t.Any] | None = None,
        priority: int = 5,
        *,
        idempotency_key: str | None = None,
        roles: Collection[str] = (),
        **limits: float | None,
    ) -> Json:
        """Do what :meth:`queue_execution` does and return the status as it was stored."""
        app_state = current_app_state()
        given = {} if inputs is None else inputs
        key = idempotency_key
        order = Submission(graph_id, thread_id, user_id, given, priority, limits, key, roles)
        return _status(submit(app_state, order), [])

    def preview(
        self,
        graph_id: Id,
        thread_id: Id | None,
        user_id: object,
        inputs: Mapping[str, t.Any] | None = None,
        priority: int = 5,
        *,
        idempotency_key: str | None = None,
        roles: Collection[str] = (),
        **limits: float | None,
    ) -> Json:
        """Make every check of :meth:`queue_execution` and return what it would queue.

        Nothing is stored or sent; the errors are the same, but for those of the broker.
        """
        app_state = current_app_state()
        given = {} if inputs is None else inputs
        key = idempotency_key
        order = Submission(graph_id, thread_id, user_id, given, priority, limits, key, roles)
        return _planned(preview(app_state, order))

    def get_task_status(self, task_id: Id, requester: Requester = None) -> Json:
        """Return what is known of an execution: status, result, progress, error, usage, times.

        :raises NotFound: if there is none, or not for *asker*.
        """
        app_state = current_app_state()
        with app_state.database.read_session() as session:
            execution = find_execution(session, app_state.models, task_id, requester)
            steps = steps_of(session, app_state.models, execution.id)
            status = _status(execution, steps)
            status["progress"]["queue_position"] = queue_position(session, execution)
        return status

    def list_executions(
        self,
        requester: Requester = None,
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
        found = list_executions(current_app_state(), requester, page, before=before, limit=limit)
        return t.cast("list[Json]", _EXECUTIONS.dump(found))

    def get_events(
        self, task_id: Id, requester: Requester = None, *, after: int = 0, limit: int = 200
    ) -> list[Json]:
        """Return events with a number greater than *after*, in order.

        :raises NotFound: if there is no such execution, or not for *asker*.
        :raises InvalidRequest: if *after* or *limit* is out of range.
        """
        return self.read_events(task_id, requester, after=after, limit=limit).events

    def read_events(
        self, task_id: Id, requester: Requester = None, *, after: int = 0, limit: int = 200
    ) -> EventPage:
        """Do what :meth:`get_events` does, and tell whether more can follow."""
        page = load(EventQuerySchema(), {"after": after, "limit": limit})
        app_state = current_app_state()
        models = app_state.models
        needed = load_only(
            models.execution.id, models.execution.status, models.execution.last_event
        )
        with app_state.database.read_session() as session:
            found = find_execution(session, models, task_id, requester, needed)
            rows = event_log.read_events(session, models, found.id, **page)
        last = rows[-1].seq if rows else page["after"]
        ended = found.status in TERMINAL and last >= found.last_event
        return EventPage(_EVENTS.dump(rows), found.status if ended else None)

    def wait(self, task_id: Id, requester: Requester = None, *, seconds: float) -> Json:
        """Return the status as soon as the execution has ended, or after *seconds*.

        :raises NotFound: if there is none, or not for *asker*.
        """
        deadline = time.monotonic() + seconds
        pause = 0.05
        while (left := deadline - time.monotonic()) > 0 and not _has_ended(task_id, requester):
            time.sleep(min(pause, left))
            pause = min(pause * 2, 1.0)
        return self.get_task_status(task_id, requester)

    def cancel_task(
        self,
        task_id: Id,
        requester: Requester = None,
        *,
        by: str | None = None,
        reason: str | None = None,
        attempt: int | None = None,
    ) -> bool:
        """Stop an execution: at once if no worker holds it, else before its next call.

        Asking again changes nothing. Outputs of finished steps are kept.

        :param by: who asks, as it will be shown.
        :param attempt: cancel nothing if it is at another attempt by now.
        :return: False if the execution has already ended otherwise.
        :raises NotFound: if there is none, or not for *asker*.
        :raises InvalidRequest: if *by* or *reason* cannot be stored.
        """
        load(CancelSchema(), {"by": by, "reason": reason})
        app_state = current_app_state()
        models = app_state.models
        with app_state.database.write_transaction() as session:
            # Locked, so that no worker can change its state between the next statements.
            execution = find_execution(session, models, task_id, requester, for_update=True)
            if attempt not in (None, execution.attempt):
                return False
            data = {"by": by, "reason": reason}
            if transitions.cancel_pending(session, models, execution.id, by, reason):
                event = NewEvent(ExecutionStatus.CANCELLED, data)
            elif transitions.request_cancellation(session, models, execution.id, by, reason):
                event = NewEvent("cancel_requested", data)
            else:
                session.expire_all()  # SQLite has locked nothing
                execution = find_execution(session, models, task_id, requester)
                return execution.cancel_requested_at is not None and (
                    execution.status in (ExecutionStatus.RUNNING, ExecutionStatus.CANCELLED)
                )
            event_log.append(session, models, execution.id, [event])
        release_next(app_state, execution.owner_id)
        return True

    @tracing.trace_submission()
    def retry(self, task_id: Id, requester: Requester = None, **limits: float | None) -> Json:
        """Queue another attempt of an ended execution; it continues behind the finished steps.

        :param limits: new values for ``timeout``, which begins anew, or for ``max_llm_calls`` or
            ``max_tokens``, which count what earlier attempts have used.
        :raises NotFound: if there is none, or not for *asker*.
        :raises InvalidGraph: if the graph names what is not registered any more or, if it is the
            *asker*'s own, what their roles do not allow any more.
        :raises WrongState: if it has not ended, or ended well.
        :raises InvalidRequest: if a limit is above the settings'.
        :raises InvalidInputs: if an input names a storage that is no longer registered.
        :raises LimitReached: if its user may queue nothing for the moment.
        :raises BrokerUnavailable: if the message could not be sent; the execution is as before.
        """
        app_state = current_app_state()
        given = validate_limits(app_state, limits)
        with app_state.database.read_session() as session:
            former = find_execution(session, app_state.models, task_id, requester)
            found = read_admission_row(session, app_state, former.owner_id, former.priority)
            _check_repeatable(former)
            own = requester is not None and requester.user_id == former.owner_id
            recheck(app_state, session, former, requester.roles if requester and own else None)
        on_hold = admit(app_state, former.owner_id, found)
        if on_hold:
            require_broker(app_state)
        with app_state.database.write_transaction() as session:
            _requeue(session, app_state, former, given, on_hold=on_hold)
        if on_hold:
            release_next(app_state, former.owner_id)
        else:
            publish_or_revert(app_state, former)
        return self.get_task_status(task_id, requester)


def _check_repeatable(former: ExecutionMixin) -> None:
    if former.status not in RETRYABLE:
        raise WrongState(
            f"The execution is '{former.status}'; only a failed, cancelled or timed out one can be"
            " tried again."
        )


def _requeue(
    session: Session,
    app_state: AppState,
    former: ExecutionMixin,
    given: dict[str, float | None],
    *,
    on_hold: bool,
) -> None:
    tracing.set_execution_attribute(former.id)
    changed = {**given, **request_context()}
    if not transitions.requeue(session, app_state.models, former, on_hold=on_hold, **changed):
        raise WrongState(
            "Somebody else has just asked for another attempt of this execution. Look at its"
            " status."
        )
    entry = NewEvent("queued", {"attempt": former.attempt + 1})
    event_log.append(session, app_state.models, former.id, [entry])


def _has_ended(task_id: Id, requester: Requester) -> bool:
    """Whether an execution has ended; one that cannot be found counts as ended."""
    status = read_status(current_app_state(), task_id, requester)
    return status is None or status in TERMINAL


def _status(execution: ExecutionMixin, steps: Sequence[StepMixin]) -> Json:
    return {**_STATUS.dump(execution), "steps": _STEPS.dump(steps)}


def _planned(plan: Preview) -> Json:
    execution, graph, known = plan
    return {
        **_PLAN.dump(execution),
        "execution_id": str(execution.id) if known else None,
        **execution_preview(graph, execution.max_llm_calls),
    }
