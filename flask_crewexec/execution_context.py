"""The current execution, for tools and other functions of the host."""

from __future__ import annotations

import dataclasses
import typing as t
import uuid
from collections.abc import Mapping
from contextvars import ContextVar

from werkzeug.local import LocalProxy

from .registry.users import load_user
from .registry.users import U

if t.TYPE_CHECKING:
    import sqlalchemy as sa

    from .models import ExecutionMixin


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutionContext(t.Generic[U]):
    """The execution that the current call belongs to.

    Type checkers know what :attr:`user` is if you say so: ``ExecutionContext[User]``.
    """

    id: uuid.UUID
    user_id: str
    """Owner of the execution; tools must access only what this user may see."""
    thread_id: str | None
    graph_id: uuid.UUID
    attempt: int
    request_id: str | None = None
    """``X-Request-ID`` of the request that submitted it, if it was a request."""
    call_id: str | None = None
    """Id of the tool call, in tools. It is the same when an interrupted call is made again, so use
    it as the idempotency key of a provider."""
    inputs: Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False, hash=False)
    """The inputs, with the graph's defaults; set while a worker runs the execution."""

    @property
    def user(self) -> U:
        """Your own user, as your ``user_loader`` returns it for :attr:`user_id`.

        It is loaded when it is first asked for in each call of a function of yours, in the
        application context of that call, so it belongs to your session there.

        :raises UserMissing: if the loader returns None; the run then fails.
        :raises UserLoaderUnavailable: if the loader fails.
        :raises RuntimeError: if there is no loader.
        """
        return t.cast(U, load_user(self.user_id))

    @classmethod
    def of(cls, execution: ExecutionMixin | sa.Row[t.Any]) -> t.Self:
        """Return the context of an execution's current attempt."""
        return cls(
            id=execution.id,
            user_id=execution.owner_id,
            thread_id=execution.thread_id,
            graph_id=execution.graph_id,
            attempt=execution.attempt,
            request_id=execution.request_id,
        )


execution_var: ContextVar[ExecutionContext] = ContextVar("crewexec_execution")

current_execution = t.cast(
    ExecutionContext,
    LocalProxy(
        execution_var,
        unbound_message="There is no current execution: 'current_execution' is set while a crew"
        " runs, for instance in its tools.",
    ),
)
