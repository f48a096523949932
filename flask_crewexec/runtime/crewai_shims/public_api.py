"""The names of CrewAI's public API that the runtime uses."""

from __future__ import annotations

import crewai
from crewai import BaseLLM
from crewai import TaskOutput
from crewai.events import crewai_event_bus
from crewai.hooks import HookAborted
from crewai.hooks import InterceptionPoint
from crewai.tools import BaseTool
from crewai.tools.tool_failure import ToolExecutionFailedError
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError as ContextLengthExceeded,
)

__all__ = (
    "BaseLLM",
    "BaseTool",
    "ContextLengthExceeded",
    "HookAborted",
    "InterceptionPoint",
    "TaskOutput",
    "ToolExecutionFailedError",
    "crewai",
    "crewai_event_bus",
)
