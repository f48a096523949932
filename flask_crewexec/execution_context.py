"""What a tool may ask about the execution that it serves."""

from __future__ import annotations

import dataclasses
import typing as t
import uuid
from contextvars import ContextVar

from werkzeug.local import LocalProxy


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutionContext:
    """The execution that the current tool call belongs to."""

    id: uuid.UUID
    user_id: str
    """Owner of the execution; look only at what this user may see."""
    thread_id: str | None
    graph_id: uuid.UUID
    attempt: int


execution_var: ContextVar[ExecutionContext] = ContextVar("crewexec_execution")

current_execution = t.cast(
    ExecutionContext,
    LocalProxy(
        execution_var,
        unbound_message="There is no current execution: 'current_execution' is set while a tool"
        " of a crew runs.",
    ),
)
