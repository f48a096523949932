"""The names of CrewAI's public API that the runtime uses."""

from __future__ import annotations

import crewai
from crewai import BaseLLM
from crewai import TaskOutput
from crewai.events import crewai_event_bus
from crewai.hooks import HookAborted
from crewai.hooks import InterceptionPoint
from crewai.tools import BaseTool

__all__ = (
    "BaseLLM",
    "BaseTool",
    "HookAborted",
    "InterceptionPoint",
    "TaskOutput",
    "crewai",
    "crewai_event_bus",
)
