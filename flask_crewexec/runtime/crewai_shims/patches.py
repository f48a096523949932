"""Patches of CrewAI for a server process in which many crews run at once."""

from __future__ import annotations

import contextlib
import sys
import types
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

import crewai
from crewai.agent.core import AgentExecutor  # type: ignore[attr-defined]  # it has moved
from crewai.events import crewai_event_bus
from crewai.events import event_listener
from crewai.events.listeners.tracing import trace_listener
from crewai.utilities import file_store
from crewai.utilities.prompts import Prompts
from crewai_core.lock_store import set_lock_backend

from .prompt_patches import fill_prompt
from .prompt_patches import keep_placeholders
from .written_actions import pass_to_maker


def apply() -> None:
    """Apply all patches of this package, once per process."""
    set_lock_backend(_null_lock)
    _disable_console_listeners()
    file_store._run_sync = _skip_file_store_when_empty(file_store._run_sync)  # type: ignore[assignment]
    handler = crewai.Crew.__private_attributes__["_task_output_handler"]
    handler.default_factory = NullTaskOutputStore
    Prompts._build_prompt = keep_placeholders(Prompts._build_prompt)  # type: ignore[method-assign]
    AgentExecutor._format_prompt = fill_prompt  # type: ignore[method-assign,assignment]
    module: t.Any = sys.modules[AgentExecutor.__module__]
    module.execute_tool_and_check_finality = pass_to_maker(module.execute_tool_and_check_finality)


class NullTaskOutputStore:
    """Replaces CrewAI's file of the latest task outputs.

    Every kickoff of any process would empty that file and wait for the disk several times; the
    steps are stored in the host's database.
    """

    def update(self, task_index: int, log: dict[str, t.Any]) -> None:
        """Store nothing."""

    def reset(self) -> None:
        """Remove nothing."""

    def load(self) -> None:
        """Load nothing."""


@contextlib.contextmanager
def _null_lock(name: str, *, timeout: float = 0) -> Iterator[None]:
    """Lock nothing: no file is shared, and CrewAI's default would connect to ``REDIS_URL``."""
    yield


def _disable_console_listeners() -> None:
    """Remove the listeners of CrewAI's console and traces: runs would wait for their threads."""
    for event, handlers in tuple(crewai_event_bus._sync_handlers.items()):
        for handler in handlers:
            if handler.__module__ in (event_listener.__name__, trace_listener.__name__):
                crewai_event_bus.off(event, handler)
    # Else they may be registered later, where a user's first crew is to be traced.
    trace_listener.TraceCollectionListener._listeners_setup = True


def _skip_file_store_when_empty(run: Callable[[t.Any], t.Any]) -> Callable[[t.Any], t.Any]:
    """Skip queries about input files while there are none, as in all runs of this package.

    CrewAI makes five queries per run, each with an event loop of its own. Crews of the host, which
    may run at the same time or within a tool, may have files.
    """

    def run_unless_empty(query: types.CoroutineType[t.Any, t.Any, t.Any]) -> t.Any:
        if _has_files() or not query.__name__.startswith(("aget_", "aclear_")):
            return run(query)
        query.close()

    return run_unless_empty


def _has_files() -> bool:
    store = file_store._file_store  # None without the package that it needs
    return store is not None and bool(getattr(store, "_cache", True))
