"""The services and what they return, as a host's type checker sees it; nothing runs this."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Sequence

from flask_crewexec import AsyncExecutionService
from flask_crewexec import current_execution
from flask_crewexec import GraphMixin
from flask_crewexec import GraphService
from flask_crewexec import Identity
from flask_crewexec import State

Json = dict[str, t.Any]

executions = AsyncExecutionService()
task_id = executions.queue_execution(uuid.uuid4(), None, 7, {"topic": "honey"}, 3, timeout=60.0)
t.assert_type(task_id, str)
executions.queue_execution("a graph", "a thread", "ada", idempotency_key="key", roles={"buyer"})
executions.queue_execution("a graph", "a thread")  # type: ignore[call-arg]
executions.queue_execution("a graph", None, "ada", priority="high")  # type: ignore[arg-type]

t.assert_type(executions.get_task_status(task_id), Json)
t.assert_type(executions.get_task_status(uuid.UUID(task_id)), Json)
t.assert_type(executions.list_executions(status=State.RUNNING, limit=10), list[Json])
t.assert_type(executions.get_events(task_id, after=3), list[Json])
t.assert_type(executions.get_calls(task_id, step=0, content=False), list[Json])
t.assert_type(executions.get_call(task_id, 1), Json)
t.assert_type(executions.wait(task_id, seconds=5), Json)
t.assert_type(executions.cancel_task(task_id, reason="no longer needed"), bool)
t.assert_type(executions.retry(task_id, max_tokens=1_000), Json)
executions.cancel_task(7)  # type: ignore[arg-type]

mine = executions.for_user(7)
t.assert_type(mine.queue_execution("a graph", inputs={"topic": "honey"}), str)
t.assert_type(mine.get_task_status(task_id), Json)
t.assert_type(mine.cancel_task(task_id), bool)
mine.answer("an id", "respond", value="one of the choices")
executions.answer("an id", "respond", value="one of the choices")
executions.for_user(None)  # type: ignore[arg-type]
mine.get_task_status(task_id, None)  # type: ignore[call-arg]

# States compare with the texts of the API.
t.assert_type(State("running"), State)
status: str = State.COMPLETED
State.FINISHED  # type: ignore[attr-defined]  # noqa: B018

t.assert_type(GraphService().list(), list[GraphMixin])
t.assert_type(GraphService().for_user(Identity("ada")).list(), list[GraphMixin])
t.assert_type(GraphService().delete("a graph"), None)
versions: Sequence[object] = GraphService().versions("a graph")

t.assert_type(current_execution.id, uuid.UUID)
t.assert_type(current_execution.user_id, str)
t.assert_type(current_execution.thread_id, str | None)
current_execution.user_id = "eve"  # type: ignore[misc]
