"""Functions that the host registered -> CrewAI's tool objects."""

from __future__ import annotations

import functools

from flask import current_app
from flask import Flask

from .. import tracing
from ..events import clean
from ..execution_context import execution_var
from ..execution_context import ExecutionContext
from ..registry import ToolFunction
from ..registry import ToolSpec
from ..tool_arguments import arguments_model
from .crewai_setup import BaseTool
from .crewai_setup import Tool


def build_tool(spec: ToolSpec, execution: ExecutionContext) -> BaseTool:
    """Return a new tool object that serves one execution."""
    return Tool(
        name=spec.name,
        description=spec.description,
        args_schema=arguments_model(spec),
        func=_in_context(spec.name, spec.function, execution),
    )


def _in_context(name: str, function: ToolFunction, execution: ExecutionContext) -> ToolFunction:
    """Give the function an application context of its own and ``current_execution``.

    CrewAI may call a tool from a thread that inherited neither.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    @functools.wraps(function)
    def call(**arguments: object) -> object:
        token = execution_var.set(execution)
        try:
            with app.app_context(), tracing.tool(execution.id, name):
                result = function(**arguments)
                return clean(result) if isinstance(result, str) else result
        finally:
            execution_var.reset(token)

    return call
