"""Agent executor that runs in the calling thread and registers no global listeners."""

from __future__ import annotations

import asyncio
import functools
import typing as t
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from crewai.agent.core import AgentExecutor  # type: ignore[attr-defined]  # it has moved
from pydantic import PrivateAttr


def _ignore_usage(source: object, event: object) -> None:
    """Replace a listener that would add up the usage of calls; it is never registered."""


class SingleThreadExecutor(AgentExecutor):
    """Does an agent's work in the calling thread.

    CrewAI's own executor starts further threads for each piece of work, and listens to the model
    calls of all crews in the process. The steps of the work and their order are the same.
    """

    _flow_definition = AgentExecutor.flow_definition()
    # If this is set, the executor neither registers a listener, which would receive the calls of
    # every crew, nor waits at the end until the listeners have handled all events of all runs.
    _usage_aggregation_handler: t.Any = PrivateAttr(default=_ignore_usage)

    def kickoff(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Do the work."""
        with asyncio.Runner(loop_factory=InlineExecutorLoop) as runner:
            return runner.run(self.kickoff_async(*args, **kwargs))

    def _create_initial_state(self) -> t.Any:
        """Return the state without building a class for it, which takes 4 ms."""
        return self._initial_state_t()  # type: ignore[attr-defined]

    def _find_triggered_methods(self, trigger_method: t.Any, router_only: bool) -> list[t.Any]:
        """Return the listeners of one method without visiting those of all methods."""
        listeners = _listeners_by_event()
        if listeners is None:
            return super()._find_triggered_methods(trigger_method, router_only)
        triggered: list[t.Any] = []
        for listener in listeners.get(str(trigger_method), ()):
            fires_once = listener.has_alternatives and not listener.is_router
            if listener.is_router == router_only and not (
                fires_once and listener.name in self._fired_or_listeners
            ):
                triggered.append(listener.name)
                if fires_once:
                    self._fired_or_listeners.add(listener.name)
        return triggered

    def _should_defer_trace_finalization(self) -> bool:
        """Emit no event at the end of the work, so that it does not wait for any listener."""
        return True


class _Listener(t.NamedTuple):
    name: t.Any
    is_router: bool
    has_alternatives: bool


@functools.cache
def _listeners_by_event() -> Mapping[str, Sequence[_Listener]] | None:
    """Return the listeners of each event of the executor; None if any waits for several events."""
    listeners = defaultdict(list)
    for name, method in AgentExecutor.flow_definition().methods.items():
        events = _events_of(method.listen)
        if events is None:
            return None
        for event in events:
            listeners[event].append(_Listener(name, bool(method.router), len(events) > 1))
    return listeners


def _events_of(condition: t.Any) -> Sequence[str] | None:
    """Return the events any of which meets the condition; None if it needs several."""
    if condition is None or isinstance(condition, str):
        return [] if condition is None else [condition]
    alternatives = condition.get("or", [None])
    return alternatives if all(isinstance(event, str) for event in alternatives) else None


class InlineExecutorLoop(asyncio.SelectorEventLoop):
    """Event loop that runs blocking functions itself, since its thread has no other work."""

    def run_in_executor(  # type: ignore[override]
        self, executor: t.Any, func: Callable[..., t.Any], *args: t.Any
    ) -> asyncio.Future[t.Any]:
        """Run *func* as if no loop was running: tools may start loops of their own."""
        done = self.create_future()
        asyncio._set_running_loop(None)
        try:
            done.set_result(func(*args))
        finally:
            asyncio._set_running_loop(self)
        return done
