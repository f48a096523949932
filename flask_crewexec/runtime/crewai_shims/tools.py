"""Tool objects for CrewAI's agents."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Mapping

import pydantic
from crewai.tools import BaseTool
from crewai.tools.base_tool import Tool
from crewai.utilities.pydantic_schema_utils import create_model_from_schema


def tool_of_function(
    function: Callable[..., object],
    *,
    name: str,
    description: str,
    arguments: type[pydantic.BaseModel],
) -> BaseTool:
    """Return a tool that calls *function*."""
    return Tool(name=name, description=description, args_schema=arguments, func=function)


def validate(tool: BaseTool, arguments: Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the arguments with which a *tool* would be called; None if they are not valid."""
    try:
        return tool._validate_kwargs({**arguments})
    except ValueError:
        return None


def model_of_schema(schema: dict[str, t.Any], name: str) -> type[pydantic.BaseModel]:
    """Return a pydantic model for a JSON Schema."""
    return create_model_from_schema(schema, model_name=name)
