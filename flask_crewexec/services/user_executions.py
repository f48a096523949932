"""The executions of one user, for the views of the host."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from ..identity import Identity
from ..identity import IdentityLike
from ..identity import require_identity
from ..storage.execution_queries import Id

if t.TYPE_CHECKING:
    from .async_execution_service import AsyncExecutionService
    from .input_answers import Answered

Json = dict[str, t.Any]


class UserExecutions:
    """What one user may do with executions.

    :meth:`~flask_crewexec.AsyncExecutionService.for_user` returns it.

    An execution that the user may not see does not exist here: its id raises
    :exc:`~flask_crewexec.errors.NotFound`. Each method also raises what the method of
    :class:`~flask_crewexec.AsyncExecutionService` with the same name does.
    """

    def __init__(self, service: AsyncExecutionService, user: IdentityLike) -> None:
        self._service = service
        self._requester = require_identity(user)

    @property
    def requester(self) -> Identity:
        """The user."""
        return self._requester

    def queue_execution(
        self,
        graph_id: Id,
        thread_id: Id | None = None,
        inputs: Mapping[str, t.Any] | None = None,
        priority: int | None = None,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        max_llm_calls: int | None = None,
        max_tokens: int | None = None,
        max_tool_calls: int | None = None,
        webhook: Mapping[str, t.Any] | None = None,
        extra: Mapping[str, t.Any] | None = None,
    ) -> str:
        """Queue a run of one of the user's own graphs, with their roles; return its task id."""
        return self._service.queue_execution(
            graph_id,
            thread_id,
            self._requester.user_id,
            inputs,
            priority,
            idempotency_key=idempotency_key,
            timeout=timeout,
            max_llm_calls=max_llm_calls,
            max_tokens=max_tokens,
            max_tool_calls=max_tool_calls,
            webhook=webhook,
            roles=self._requester.roles,
            extra=extra,
        )

    def get_task_status(self, task_id: Id) -> Json:
        """Return the status, result, progress, error, usage and times of an execution."""
        return self._service.get_task_status(task_id, self._requester)

    def get_step(self, task_id: Id, position: int | str) -> Json:
        """Return one step of an execution with its whole output."""
        return self._service.get_step(task_id, position, self._requester)

    def get_result(self, task_id: Id) -> Json:
        """Return the whole result of an execution."""
        return self._service.get_result(task_id, self._requester)

    def list_executions(
        self, *, before: uuid.UUID | None = None, limit: int = 50, **filters: object
    ) -> list[Json]:
        """Return executions, newest first, without their inputs, steps and results.

        ``user_id`` is for those who manage the executions of others.
        """
        return self._service.list_executions(self._requester, before=before, limit=limit, **filters)

    def get_events(self, task_id: Id, *, after: int = 0, limit: int = 200) -> list[Json]:
        """Return events with a number greater than *after*, in order."""
        return self._service.get_events(task_id, self._requester, after=after, limit=limit)

    def get_calls(
        self,
        task_id: Id,
        *,
        step: int | None = None,
        after: int = 0,
        limit: int = 50,
        content: bool = True,
    ) -> list[Json]:
        """Return the model calls, tool calls and checks of an execution, in order."""
        return self._service.get_calls(
            task_id, self._requester, step=step, after=after, limit=limit, content=content
        )

    def get_call(self, task_id: Id, number: int | str) -> Json:
        """Return one call, with all ``messages`` that a model was asked with."""
        return self._service.get_call(task_id, number, self._requester)

    def record(self, task_id: Id) -> Json:
        """Return a recording of an execution, which tests replay."""
        return self._service.record(task_id, self._requester)

    def wait(self, task_id: Id, *, seconds: float) -> Json:
        """Return the status as soon as the execution has ended, or after *seconds*."""
        return self._service.wait(task_id, self._requester, seconds=seconds)

    def cancel_task(
        self, task_id: Id, *, reason: str | None = None, attempt: int | None = None
    ) -> bool:
        """Cancel an execution, which then shows that this user did; False if it has ended."""
        by = self._requester.user_id
        return self._service.cancel_task(
            task_id, self._requester, by=by, reason=reason, attempt=attempt
        )

    def input_requests(self, **filters: t.Any) -> list[Json]:
        """Return what executions ask people, as far as the user may see it, newest first."""
        return self._service.input_requests(self._requester, **filters)

    def get_input_request(self, request_id: Id) -> Json:
        """Return one input request."""
        return self._service.get_input_request(request_id, self._requester)

    def answer(
        self,
        request_id: Id,
        decision: str,
        *,
        text: str | None = None,
        value: Mapping[str, t.Any] | str | None = None,
        arguments: Mapping[str, t.Any] | None = None,
        bypass: bool = False,
    ) -> Answered:
        """Answer an input request, which then shows that this user did."""
        return self._service.answer(
            request_id,
            decision,
            self._requester,
            text=text,
            value=value,
            arguments=arguments,
            bypass=bypass,
        )

    def answer_all(self, task_id: Id, answers: Sequence[Mapping[str, t.Any]]) -> list[Answered]:
        """Answer several input requests of one execution: all, or none."""
        return self._service.answer_all(task_id, answers, self._requester)

    def fork(
        self,
        task_id: Id,
        *,
        from_step: str | None = None,
        outputs: Mapping[str, str] | None = None,
        inputs: Mapping[str, t.Any] | None = None,
        graph_version: t.Literal["same", "latest"] = "same",
        idempotency_key: str | None = None,
        extra: Mapping[str, t.Any] | None = None,
        **limits: float | None,
    ) -> Json:
        """Queue a new execution that takes over finished steps of one of the user's own."""
        return self._service.fork(
            task_id,
            self._requester,
            from_step=from_step,
            outputs=outputs,
            inputs=inputs,
            graph_version=graph_version,
            idempotency_key=idempotency_key,
            extra=extra,
            **limits,
        )

    def compare(self, task_id: Id, other_id: Id) -> Json:
        """Return how another execution differs from one that the user may see, too."""
        return self._service.compare(task_id, other_id, self._requester)

    def retry(self, task_id: Id, **limits: float | None) -> Json:
        """Queue another attempt of an ended execution; it resumes after the completed steps."""
        return self._service.retry(task_id, self._requester, **limits)

    def cancel_several(
        self, task_ids: Iterable[Id], *, reason: str | None = None, seconds: float | None = None
    ) -> list[Json]:
        """Cancel executions, each by itself; return what came of each."""
        by = self._requester.user_id
        return self._service.cancel_several(
            task_ids, self._requester, by=by, reason=reason, seconds=seconds
        )

    def retry_several(
        self, task_ids: Iterable[Id], *, seconds: float | None = None, **limits: float | None
    ) -> list[Json]:
        """Queue another attempt of executions, each by itself; return what came of each."""
        return self._service.retry_several(task_ids, self._requester, seconds=seconds, **limits)
