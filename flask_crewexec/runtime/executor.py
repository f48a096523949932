"""CrewAI's executor of an agent's work, without what many crews in one process cannot afford."""

from __future__ import annotations

import asyncio
import functools
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

from .crewai_setup import AgentExecutor
from .crewai_setup import AgentExecutorState


class Executor(AgentExecutor):
    """Does an agent's work in the thread that asks for it.

    CrewAI's own starts threads beside it for each piece of work, and listens to the model calls of
    all others in the process. What it does, and in which order, is the same.
    """

    _flow_definition = AgentExecutor.flow_definition()

    def kickoff(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Do the work."""
        with asyncio.Runner(loop_factory=_Loop) as runner:
            return runner.run(self.kickoff_async(*args, **kwargs))

    def _create_initial_state(self) -> AgentExecutorState:
        """Return the state without building a class for it, which takes 4 ms."""
        return AgentExecutorState()

    def _listener_methods(self) -> Iterator[tuple[t.Any, t.Any, t.Any]]:
        return iter(_listeners())

    def _attach_usage_aggregation_listener(self) -> None:
        """Do not listen: each call of any crew would be told to all of them."""

    def _should_defer_trace_finalization(self) -> bool:
        """Tell nobody that the work is done, nor wait for the listeners of others."""
        return True


@functools.cache
def _listeners() -> tuple[tuple[t.Any, t.Any, t.Any], ...]:
    methods = AgentExecutor.flow_definition().methods.items()
    return tuple((name, each, each.listen) for name, each in methods if each.listen is not None)


class _Loop(asyncio.SelectorEventLoop):
    """The event loop of a thread that has nothing else to do: what would block it runs in it."""

    def run_in_executor(  # type: ignore[override]
        self, executor: t.Any, func: Callable[..., t.Any], *args: t.Any
    ) -> asyncio.Future[t.Any]:
        """Run *func* as if there was no loop: tools may run one of their own."""
        done = self.create_future()
        asyncio._set_running_loop(None)
        try:
            done.set_result(func(*args))
        finally:
            asyncio._set_running_loop(self)
        return done
