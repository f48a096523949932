"""Queue, watch, cancel and retry executions from Python."""

from __future__ import annotations

import time
import typing as t
import uuid
from collections.abc import Collection
from collections.abc import Mapping

import marshmallow as ma

from ..app_state import current_app_state
from ..errors import WrongState
from ..identity import IdentityLike
from ..process.web_server import is_stopping
from ..scheduling.own_columns import check_own_columns
from ..scheduling.run_limits import Limits
from ..scheduling.status_document import read_status_document
from ..scheduling.status_document import status_document
from ..scheduling.submission import preview
from ..scheduling.submission import submit
from ..scheduling.submission_checks import Submission
from ..schemas import ExecutionPreviewSchema
from ..schemas import ExecutionQuerySchema
from ..schemas import ExecutionSchema
from ..schemas import load
from ..schemas import ResultSchema
from ..schemas import StepSchema
from ..statuses import ExecutionStatus
from ..statuses import TERMINAL
from ..storage.bounded_outputs import NO_OUTPUTS
from ..storage.execution_lists import list_executions
from ..storage.execution_queries import find_execution
from ..storage.execution_queries import find_step
from ..storage.execution_queries import Id
from ..storage.execution_queries import read_status
from ..storage.ownership import Requester
from ..storage.transitions import Cancellation
from .call_methods import CallMethods
from .cancellation import cancel
from .comparison import compare
from .event_pages import read_event_page
from .forks import fork
from .forks import read_plan
from .graph_report import execution_preview
from .input_request_methods import InputRequestMethods
from .retries import retry
from .several_methods import SeveralMethods
from .user_executions import UserExecutions

Json = dict[str, t.Any]

_PREVIEW: t.Final = ExecutionPreviewSchema()
_EXECUTIONS: t.Final = ExecutionSchema(many=True)
_LIST: t.Final = ExecutionQuerySchema(unknown=ma.INCLUDE)  # hosts have columns of their own
_FILTERS: t.Final = {*_LIST.fields, *(field.attribute for field in _LIST.fields.values())}
_STEP: t.Final = StepSchema()
_RESULT: t.Final = ResultSchema()


class Queued(t.NamedTuple):
    """The status of an execution that was queued."""

    status: Json
    is_replay: bool
    """Whether an earlier submission with the same idempotency key had queued it."""


class AsyncExecutionService(CallMethods, InputRequestMethods, SeveralMethods):
    """Executions of the current application; create one wherever you need it.

    Each method uses database transactions of its own. Commit what they should see, for instance
    a new user, before you call them.

    They are for your own code, which may do everything unless it passes a *requester*. In views,
    use :meth:`for_user`.
    """

    def for_user(self, user: IdentityLike) -> UserExecutions:
        """Return what *user* may do: they see no execution of others, unless they manage them.

        :param user: an :class:`~flask_crewexec.Identity`, or the id of an ordinary user.
        :raises TypeError: if *user* is None or no id.
        :raises ValueError: if the id cannot be stored.
        """
        return UserExecutions(self, user)

    def queue_execution(
        self,
        graph_id: Id,
        thread_id: Id | None,
        user_id: object,
        inputs: Mapping[str, t.Any] | None = None,
        priority: int | None = None,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_llm_calls: int | None = None,
        max_tokens: int | None = None,
        max_tool_calls: int | None = None,
        webhook: Mapping[str, t.Any] | None = None,
        roles: Collection[str] = (),
        extra: Mapping[str, t.Any] | None = None,
    ) -> str:
        """Queue a run of the newest version of a graph and return its task id.

        :param thread_id: groups executions, for instance those of a conversation.
        :param user_id: owner of the execution and of the graph.
        :param inputs: values of the graph's placeholders.
        :param priority: from 1, the most urgent, to 10; by default 5, or the most urgent that the
            user may use if that is less urgent.
        :param idempotency_key: the same submission of a user with the same key is queued once;
            further calls return the first id.
        :param timeout: seconds that the execution may take, counted from its first start.
        :param max_llm_calls: model calls that it may make, over all attempts.
        :param max_tool_calls: tool calls that it may make, over all attempts.
        :param max_tokens: tokens after which it makes no further calls.
        :param webhook: ``{"url", "events"?}``, a webhook that is told of this execution alone; by
            default how it ends.
        :param roles: roles of the user, for tools and models that are restricted to some roles.
        :param extra: values of columns that your own model of executions has added.
        :raises NotFound: if the user has no such graph.
        :raises InvalidGraph: if the graph names a tool or model that is not registered any more,
            or that the roles do not allow.
        :raises InvalidInputs: if the inputs do not fit the graph, or are too large.
        :raises InvalidPriority: if the priority is not from 1 to 10.
        :raises PriorityTooUrgent: if it is more urgent than the user may use.
        :raises InvalidRequest: if a value cannot be stored, a limit is above the settings', the
            URL of the webhook cannot be used, or your model has no such column.
        :raises WebhooksOff: if there is a webhook, and ``CREWEXEC_WEBHOOKS`` is off.
        :raises IdempotencyKeyReused: if the key belongs to a different submission.
        :raises IdempotencyKeyInUse: if the first submission with the key is still being queued.
        :raises QuotaExceeded: if the user may not queue more at the moment.
        :raises BrokerUnavailable: if the message could not be sent; nothing is stored then. With
            ``CREWEXEC_ACCEPT_WITHOUT_BROKER`` it is sent later instead.
        """
        limits: Limits = {
            "timeout": timeout,
            "max_llm_calls": max_llm_calls,
            "max_tool_calls": max_tool_calls,
            "max_tokens": max_tokens,
        }
        given = {} if inputs is None else inputs
        submission = Submission(
            graph_id,
            thread_id,
            user_id,
            given,
            priority,
            limits,
            idempotency_key,
            roles,
            webhook=webhook,
            extra={} if extra is None else extra,
        )
        return str(submit(current_app_state(), submission).execution.id)

    def queue(self, submission: Submission) -> Queued:
        """Queue *submission* as :meth:`queue_execution` does, and return the stored status."""
        execution, is_replay = submit(current_app_state(), submission)
        return Queued(status_document(execution, NO_OUTPUTS), is_replay)

    def preview(self, submission: Submission) -> Json:
        """Make every check of :meth:`queue_execution` and return what would be queued.

        Nothing is stored or sent. The errors are the same, except those of the broker.
        """
        execution, graph, is_stored = preview(current_app_state(), submission)
        return {
            **_PREVIEW.dump(execution),
            "execution_id": str(execution.id) if is_stored else None,
            **execution_preview(graph, execution.max_llm_calls),
        }

    def get_task_status(self, task_id: Id, requester: Requester = None) -> Json:
        """Return the status, result, progress, error, usage and times of an execution.

        If the result and the outputs of the steps are larger than ``CREWEXEC_MAX_STATUS_CHARS``
        together, the largest are left out: ``result_omitted`` and each step's ``output_omitted``
        say so, and :meth:`get_result` and :meth:`get_step` return them.

        :raises NotFound: if there is none, or not for *requester*.
        """
        return read_status_document(current_app_state(), task_id, requester)

    def get_step(self, task_id: Id, position: int | str, requester: Requester = None) -> Json:
        """Return one step of an execution with its whole output.

        :param position: from 0, in the order of execution.
        :raises NotFound: if there is none, or not for *requester*.
        """
        app_state = current_app_state()
        with app_state.database.read_session() as session:
            step = find_step(session, app_state.models, task_id, position, requester)
            return t.cast(Json, _STEP.dump(step))

    def get_result(self, task_id: Id, requester: Requester = None) -> Json:
        """Return the whole result of an execution.

        :raises NotFound: if there is no such execution, or not for *requester*.
        :raises WrongState: if it has not completed.
        """
        app_state = current_app_state()
        with app_state.database.read_session() as session:
            execution = find_execution(session, app_state.models, task_id, requester)
        if execution.result is None:
            raise WrongState(f"The execution is '{execution.status}'; it has no result.")
        return t.cast(Json, _RESULT.dump(execution.result))

    def list_executions(
        self,
        requester: Requester = None,
        *,
        before: uuid.UUID | None = None,
        limit: int = 50,
        **filters: object,
    ) -> list[Json]:
        """Return executions, newest first, without their inputs, steps and results.

        :param before: return only executions that are older than this one.
        :param filters: ``status``, ``graph_id``, ``forked_from``, ``thread_id``, ``user_id``;
            ``code`` of the failure; ``ids``, at most 50; ``created_after`` and ``created_before``,
            datetimes that are compared with the time in the ids; or columns of your own.
        :raises InvalidRequest: if a value is not valid, or your model has no such column.
        """
        app_state = current_app_state()
        page = load(_LIST, {"before": before, "limit": limit, **filters})
        check_own_columns(app_state, filters.keys() - _FILTERS, "")
        rows = list_executions(app_state, requester, **page)
        return t.cast("list[Json]", _EXECUTIONS.dump(rows))

    def get_events(
        self, task_id: Id, requester: Requester = None, *, after: int = 0, limit: int = 200
    ) -> list[Json]:
        """Return events with a number greater than *after*, in order.

        :raises NotFound: if there is no such execution, or not for *requester*.
        :raises InvalidRequest: if *after* or *limit* is out of range.
        """
        app_state = current_app_state()
        return read_event_page(app_state, task_id, requester, after=after, limit=limit).events

    def wait(self, task_id: Id, requester: Requester = None, *, seconds: float) -> Json:
        """Return the status as soon as the execution has ended, or after *seconds*.

        It also returns as soon as the execution waits for people, since that may take weeks. A
        web server that is about to stop does not wait any longer.

        :raises NotFound: if there is none, or not for *requester*.
        """
        deadline = time.monotonic() + seconds
        pause = 0.05
        while (left := deadline - time.monotonic()) > 0 and not is_stopping():
            if _goes_on_no_more(task_id, requester):
                break
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
        """Cancel an execution: at once if no worker runs it, otherwise before its next call.

        Cancelling twice changes nothing. The outputs of completed steps are kept.

        :param by: who cancels, as the execution will show it.
        :param attempt: cancel only if this is still the current attempt.
        :return: False if the execution has already ended otherwise.
        :raises NotFound: if there is none, or not for *requester*.
        :raises InvalidRequest: if *by* or *reason* cannot be stored.
        """
        cancellation = Cancellation(by, reason)
        return cancel(current_app_state(), task_id, requester, cancellation, attempt)

    def retry(self, task_id: Id, requester: Requester = None, **limits: float | None) -> Json:
        """Queue another attempt of an ended execution; it resumes after the completed steps.

        :param limits: new values for ``timeout``, which starts again, or for ``max_llm_calls``,
            ``max_tool_calls`` or ``max_tokens``, which include what earlier attempts have used.
        :raises NotFound: if there is none, or not for *requester*.
        :raises InvalidGraph: if the graph names something that is not registered any more or, if
            the execution is *requester*'s own, that their roles no longer allow.
        :raises WrongState: if it has not ended, or has completed.
        :raises InvalidRequest: if a limit is above the settings'.
        :raises InvalidInputs: if an input names a storage that is not registered any more.
        :raises QuotaExceeded: if its owner may not queue more at the moment.
        :raises BrokerUnavailable: if the message could not be sent; the execution is unchanged.
        """
        retry(current_app_state(), task_id, requester, limits)
        return self.get_task_status(task_id, requester)

    def fork(
        self,
        task_id: Id,
        requester: Requester = None,
        *,
        from_step: str | None = None,
        outputs: Mapping[str, str] | None = None,
        inputs: Mapping[str, t.Any] | None = None,
        graph_version: t.Literal["same", "latest"] = "same",
        idempotency_key: str | None = None,
        extra: Mapping[str, t.Any] | None = None,
        **limits: float | None,
    ) -> Json:
        """Queue a new execution that takes over finished steps of another one.

        A step runs if its definition, an input that it uses, or an output that it reads has
        changed. The other finished steps are taken over; they cost nothing. The execution may be
        in any state: what it has not finished yet runs.

        :param from_step: name of the first step that runs in any case.
        :param outputs: texts by the names of steps, which replace their outputs; for a step with
            ``output_schema``, the object as JSON.
        :param inputs: inputs that change; the others are as before.
        :param graph_version: ``"latest"`` to run the newest version of the graph.
        :param idempotency_key: the same fork with the same key is queued once.
        :param limits: new values for ``timeout``, ``max_llm_calls``, ``max_tool_calls`` or
            ``max_tokens``; the others are as before.
        :return: ``execution``, its status; ``steps``: what becomes of each, and why; and
            ``is_replay``: whether an earlier fork with the same key is returned.
        :raises NotFound: if there is no such execution, or not for *requester*, or if its graph is
            archived.
        :raises NotOwner: if *requester* manages it, but does not own it.
        :raises InvalidRequest: if a value cannot be used, such as the name of a step.

        It also raises what :meth:`queue_execution` does.
        """
        given = {
            "from_step": from_step,
            "outputs": outputs or {},
            "inputs": inputs or {},
            "graph_version": graph_version,
            "idempotency_key": idempotency_key,
            "limits": limits,
        }
        app_state = current_app_state()
        execution, is_replay = fork(app_state, task_id, requester, given, extra or {})
        return {
            "execution": self.get_task_status(execution.id, requester),
            "steps": read_plan(app_state, execution),
            "is_replay": is_replay,
        }

    def compare(self, task_id: Id, other_id: Id, requester: Requester = None) -> Json:
        """Return how another execution differs from one: ``b`` from ``a``.

        Texts are compared line by line, as far as they are not too long.

        :return: ``inputs``, ``graph``, ``steps`` with their outputs, ``result`` and ``calls`` that
            differ, both executions, and the ``difference`` in time, calls, tokens and cost.
        :raises NotFound: if one of them does not exist, or not for *requester*.
        """
        return compare(current_app_state(), task_id, other_id, requester)


def _goes_on_no_more(task_id: Id, requester: Requester) -> bool:
    """Return whether an execution has ended, cannot be found, or waits for people."""
    status = read_status(current_app_state(), task_id, requester)
    return status is None or status in TERMINAL or status == ExecutionStatus.WAITING_INPUT
