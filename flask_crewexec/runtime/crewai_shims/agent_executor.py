"""CrewAI's executor of an agent's work, without what many crews in one process cannot afford."""

from __future__ import annotations

import asyncio
import functools
import typing as t
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from pydantic import PrivateAttr

from .import_switches import AgentExecutor


def _ignore_usage(source: object, event: object) -> None:
    """Stand in for a listener that adds up what calls used; it is told of none."""


class SingleThreadExecutor(AgentExecutor):
    """Does an agent's work in the thread that asks for it.

    CrewAI's own starts threads beside it for each piece of work, and listens to the model calls of
    all others in the process. What it does, and in which order, is the same.
    """

    _flow_definition = AgentExecutor.flow_definition()
    # With one there already it neither registers another, to be told of each call of any crew, nor
    # waits in the end for whatever any run has told any listener.
    _usage_aggregation_handler: t.Any = PrivateAttr(default=_ignore_usage)

    def kickoff(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Do the work."""
        with asyncio.Runner(loop_factory=InlineExecutorLoop) as runner:
            return runner.run(self.kickoff_async(*args, **kwargs))

    def _create_initial_state(self) -> t.Any:
        """Return the state without building a class for it, which takes 4 ms."""
        return self._initial_state_t()  # type: ignore[attr-defined]

    def _find_triggered_methods(self, trigger_method: t.Any, router_only: bool) -> list[t.Any]:
        """Look at what listens to a method, and not at everything."""
        listening = _listening()
        if listening is None:
            return super()._find_triggered_methods(trigger_method, router_only)
        triggered: list[t.Any] = []
        for each in listening.get(str(trigger_method), ()):
            fires_once = each.has_alternatives and not each.is_router
            if each.is_router == router_only and not (
                fires_once and each.name in self._fired_or_listeners
            ):
                triggered.append(each.name)
                if fires_once:
                    self._fired_or_listeners.add(each.name)
        return triggered

    def _should_defer_trace_finalization(self) -> bool:
        """Tell nobody that the work is done, nor wait for the listeners of others."""
        return True


class _Listener(t.NamedTuple):
    name: t.Any
    is_router: bool
    has_alternatives: bool


@functools.cache
def _listening() -> Mapping[str, Sequence[_Listener]] | None:
    """Return what each event of CrewAI's executor triggers; None if any listener needs several."""
    found = defaultdict(list)
    for name, method in AgentExecutor.flow_definition().methods.items():
        events = _events_of(method.listen)
        if events is None:
            return None
        for event in events:
            found[event].append(_Listener(name, bool(method.router), len(events) > 1))
    return found


def _events_of(condition: t.Any) -> Sequence[str] | None:
    """Return the events each of which is enough; None if there are others."""
    if condition is None or isinstance(condition, str):
        return [] if condition is None else [condition]
    alternatives = condition.get("or", [None])
    return alternatives if all(isinstance(each, str) for each in alternatives) else None


class InlineExecutorLoop(asyncio.SelectorEventLoop):
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
