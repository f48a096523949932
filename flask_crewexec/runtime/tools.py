"""Tools that the host registered -> CrewAI's tool objects."""

from __future__ import annotations

import importlib
import json
import re
import typing as t

from ..adapters import CrewaiTool
from ..adapters import McpTool
from ..errors import ToolUnavailable
from ..registry import OfferedTool
from ..registry import ToolSpec
from ..secrets import Secret
from ..tool_arguments import arguments_model
from .crewai_setup import BaseTool
from .crewai_setup import model_of_schema
from .crewai_setup import Tool
from .means import Means
from .tool_calls import Function
from .tool_calls import limited

if t.TYPE_CHECKING:
    import pydantic

_FOREIGN_REFERENCE: t.Final = re.compile(r'"\$ref": "(?!#)')


def build_tool(spec: OfferedTool, means: Means, most_chars: int) -> BaseTool:
    """Return a new tool object that serves one execution.

    :param most_chars: of its output, if the host gave the tool no limit.
    :raises ToolUnavailable: if it cannot be made here.
    """
    function, arguments = _parts(spec, means)
    return Tool(
        name=spec.name,
        description=spec.description,
        args_schema=arguments,
        func=limited(spec, function, means, most_chars),
    )


def _parts(spec: OfferedTool, means: Means) -> tuple[Function, type[pydantic.BaseModel]]:
    match spec:
        case ToolSpec():
            return spec.function, arguments_model(spec)
        case CrewaiTool():
            return _crewais(spec, means)
        case McpTool():
            return _mcps(spec, means)
    raise AssertionError(f"nobody can make {spec.name}")


def _crewais(spec: CrewaiTool, means: Means) -> tuple[Function, type[pydantic.BaseModel]]:
    made = _made(spec, means)

    def run(**arguments: object) -> str:
        return made.format_output_for_agent(made.run(**arguments))

    return run, made.args_schema


def _made(spec: CrewaiTool, means: Means) -> BaseTool:
    module, _, name = spec.source.partition(":")
    options = {
        key: means.keys.value(value) if isinstance(value, Secret) else value
        for key, value in spec.options.items()
    }
    try:
        made = getattr(importlib.import_module(module), name)(**options)
    except Exception as error:
        raise ToolUnavailable(f"This worker cannot load the tool '{spec.name}'.") from error
    if not isinstance(made, BaseTool):
        raise ToolUnavailable(f"The tool '{spec.name}' is none of CrewAI's.")
    return made


def _mcps(spec: McpTool, means: Means) -> tuple[Function, type[pydantic.BaseModel]]:
    schema = means.servers.schema(spec, means.keys)
    if _FOREIGN_REFERENCE.search(json.dumps(schema)):  # it would be fetched
        raise ToolUnavailable(f"The arguments of the tool '{spec.name}' are described elsewhere.")
    required = schema.get("required", ())

    def call(**arguments: object) -> str:
        # CrewAI fills in None for what the model has left out.
        given = {k: v for k, v in arguments.items() if v is not None or k in required}
        return means.servers.call(spec, given)

    return call, model_of_schema(schema, model_name=f"{spec.name}_arguments")
