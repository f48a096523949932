"""Functions that the host registered -> CrewAI's tool objects."""

from __future__ import annotations

import functools

from .. import tracing
from ..events import clean
from ..execution_context import ExecutionContext
from ..registry import ToolFunction
from ..registry import ToolSpec
from ..tool_arguments import arguments_model
from .crewai_setup import BaseTool
from .crewai_setup import Tool
from .host_functions import in_context


def build_tool(spec: ToolSpec, execution: ExecutionContext) -> BaseTool:
    """Return a new tool object that serves one execution."""
    return Tool(
        name=spec.name,
        description=spec.description,
        args_schema=arguments_model(spec),
        func=in_context(_traced(spec, execution), execution),
    )


def _traced(spec: ToolSpec, execution: ExecutionContext) -> ToolFunction:
    @functools.wraps(spec.function)
    def call(**arguments: object) -> object:
        with tracing.tool(execution.id, spec.name):
            result = spec.function(**arguments)
            return clean(result) if isinstance(result, str) else result

    return call
