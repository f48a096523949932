"""CrewAI's executor of an agent's work, without what many crews in one process cannot afford."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import typing as t
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Iterator

from .crewai_setup import AgentExecutor
from .crewai_setup import AgentExecutorState

Method = Callable[..., t.Any]


class Executor(AgentExecutor):
    """Does an agent's work in the thread that asks for it.

    CrewAI's own starts an event loop, and threads beside it, for each piece of work, and listens
    to the model calls of all others in the process. What it does, and in which order, is the same.
    """

    _flow_definition = AgentExecutor.flow_definition()

    def _create_initial_state(self) -> AgentExecutorState:
        """Return the state without building a class for it, which takes 4 ms."""
        return AgentExecutorState()

    def _listener_methods(self) -> Iterator[tuple[t.Any, t.Any, t.Any]]:
        return iter(_listeners())

    async def _execute_method(
        self, method_name: t.Any, method: Method, *args: t.Any, **kwargs: t.Any
    ) -> tuple[t.Any, str | None]:
        own = method if inspect.iscoroutinefunction(method) else _in_this_thread(method)
        return await super()._execute_method(method_name, own, *args, **kwargs)

    def _attach_usage_aggregation_listener(self) -> None:
        """Do not listen: each call of any crew would be told to all of them."""

    def _should_defer_trace_finalization(self) -> bool:
        """Tell nobody that the work is done, nor wait for the listeners of others."""
        return True


@functools.cache
def _listeners() -> tuple[tuple[t.Any, t.Any, t.Any], ...]:
    methods = AgentExecutor.flow_definition().methods.items()
    return tuple((name, each, each.listen) for name, each in methods if each.listen is not None)


def _in_this_thread(method: Method) -> Callable[..., Coroutine[t.Any, t.Any, t.Any]]:
    """Return *method* for an event loop that has nothing else to do than to wait for it.

    The method does not see the loop: tools may run one of their own.
    """

    @functools.wraps(method)
    async def run(*args: t.Any, **kwargs: t.Any) -> t.Any:
        context, loop = contextvars.copy_context(), asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return context.run(method, *args, **kwargs)
        finally:
            asyncio._set_running_loop(loop)

    return run
