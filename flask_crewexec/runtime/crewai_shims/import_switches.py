"""Import crewai in a way that is fit for a server, and switch off what is not.

The other modules of this package take what they need of crewai from here: it reads most of its
switches while it is imported, so they must be set before anybody else imports it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import types
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterator

from .prompt_patches import fill_prompt
from .prompt_patches import leave_unfilled

_SWITCHES: t.Final = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",  # else it asks at the terminal and waits 20 s
    "CREWAI_DISABLE_VERSION_CHECK": "true",
}
for name, value in _SWITCHES.items():
    os.environ[name] = value
os.environ.setdefault(
    "CREWAI_STORAGE_DIR", os.path.join(tempfile.gettempdir(), f"crewexec-crewai-{os.getuid()}")
)


@contextlib.contextmanager
def _without_dotenv() -> Iterator[None]:
    """Keep crewai's import from reading the nearest ``.env``: that is the host's decision."""
    before = os.environ.get("PYTHON_DOTENV_DISABLED")
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHON_DOTENV_DISABLED"]
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = before


with _without_dotenv():
    import crewai
    from crewai.agent.core import AgentExecutor  # type: ignore[attr-defined]  # its home has moved
    from crewai.events import crewai_event_bus
    from crewai.events import event_listener
    from crewai.events.listeners.tracing import trace_listener
    from crewai.events.stream_context import add_stream_sink
    from crewai.execution import set_execution_uuid
    from crewai.hooks import HookAborted
    from crewai.hooks.dispatch import get_global_hook_list
    from crewai.hooks.dispatch import InterceptionPoint
    from crewai.hooks.dispatch import scoped_hooks
    from crewai.hooks.llm_hooks import model_call_hooks_already_dispatched as hooks_were_called
    from crewai.lite_agent_output import LiteAgentOutput
    from crewai.llms.base_llm import BaseLLM
    from crewai.llms.base_llm import call_stop_override
    from crewai.llms.providers.openai.completion import OpenAICompletion
    from crewai.llms.retry import _active_llm_rate_limit_retry as in_rate_limit_retry
    from crewai.tasks.conditional_task import ConditionalTask
    from crewai.tasks.llm_guardrail import LLMGuardrail
    from crewai.tasks.output_format import OutputFormat
    from crewai.tasks.task_output import TaskOutput
    from crewai.tools.base_tool import BaseTool
    from crewai.tools.base_tool import Tool
    from crewai.utilities import file_store
    from crewai.utilities.i18n import get_i18n
    from crewai.utilities.prompts import Prompts
    from crewai.utilities.pydantic_schema_utils import create_model_from_schema as model_of_schema
    from crewai_core.lock_store import set_lock_backend
    from crewai_core.printer import set_suppress_console_output

__all__ = (
    "AgentExecutor",
    "BaseLLM",
    "BaseTool",
    "ConditionalTask",
    "HookAborted",
    "InterceptionPoint",
    "LLMGuardrail",
    "LiteAgentOutput",
    "OpenAICompletion",
    "OutputFormat",
    "TaskOutput",
    "Tool",
    "add_stream_sink",
    "call_stop_override",
    "crewai",
    "crewai_event_bus",
    "get_global_hook_list",
    "get_i18n",
    "hooks_were_called",
    "model_of_schema",
    "prepare_run_context",
    "scoped_hooks",
)


class NullTaskOutputStore:
    """Stands in for CrewAI's file of the latest task outputs.

    Every kickoff of any process empties that file and waits for the disk again and again; our
    steps are in the host's database.
    """

    def update(self, task_index: int, log: dict[str, t.Any]) -> None:
        """Keep nothing."""

    def reset(self) -> None:
        """There is nothing to remove."""

    def load(self) -> None:
        """There is nothing to load."""


@contextlib.contextmanager
def _null_lock(name: str, *, timeout: float = 0) -> Iterator[None]:
    """Lock nothing: no file is shared, and the default would take ``REDIS_URL`` for itself."""
    yield


def prepare_run_context(execution_id: uuid.UUID) -> None:
    """Prepare the current context, which must be a run's own copy, for a kickoff."""
    set_suppress_console_output(True)
    set_execution_uuid(str(execution_id))
    in_rate_limit_retry.set(True)  # else CrewAI makes three calls of one that is refused


def _skip_file_store_when_empty(ask: Callable[[t.Any], t.Any]) -> Callable[[t.Any], t.Any]:
    """Leave questions about input files out while there are none, as in all runs of ours.

    CrewAI asks five times a run, each time with an event loop of its own. Crews of the host, which
    may run beside ours or within a tool, have files.
    """

    def ask_if_any(question: types.CoroutineType[t.Any, t.Any, t.Any]) -> t.Any:
        if _are_files() or not question.__name__.startswith(("aget_", "aclear_")):
            return ask(question)
        question.close()

    return ask_if_any


def _are_files() -> bool:
    store = file_store._file_store  # None without the package that it takes
    return store is not None and bool(getattr(store, "_cache", True))


def _disable_console_listeners() -> None:
    """Stop telling CrewAI's console and traces of every event, in threads that runs wait for."""
    for event, handlers in tuple(crewai_event_bus._sync_handlers.items()):
        for handler in handlers:
            if handler.__module__ in (event_listener.__name__, trace_listener.__name__):
                crewai_event_bus.off(event, handler)
    # Else it may begin later, where a user's first crew is to be traced.
    trace_listener.TraceCollectionListener._listeners_setup = True


def _patch() -> None:
    set_lock_backend(_null_lock)
    _disable_console_listeners()
    file_store._run_sync = _skip_file_store_when_empty(file_store._run_sync)  # type: ignore[assignment]
    handler = crewai.Crew.__private_attributes__["_task_output_handler"]
    handler.default_factory = NullTaskOutputStore
    Prompts._build_prompt = leave_unfilled(Prompts._build_prompt)  # type: ignore[method-assign]
    AgentExecutor._format_prompt = fill_prompt  # type: ignore[method-assign,assignment]


_patch()
