"""Tool spec -> tool: builds CrewAI's tool objects."""

from __future__ import annotations

import functools
import importlib
import json
import re
import typing as t

from ..errors import ToolUnavailable
from ..registry.builtin_tools import ASK_PERSON
from ..registry.external_tools import CrewAIToolSpec
from ..registry.external_tools import McpToolSpec
from ..registry.secrets import Secret
from ..registry.specs import FunctionToolSpec
from ..registry.specs import ToolSpec
from ..registry.tool_schemas import arguments_model
from .approvals import approval_gate
from .crewai_shims.public_api import BaseTool
from .crewai_shims.tools import model_of_schema
from .crewai_shims.tools import tool_of_function
from .crewai_shims.tools import validate
from .questions import Question
from .run_context import RunContext
from .tool_invocation import Function
from .tool_invocation import wrap_tool
from .tool_requests import Gate

if t.TYPE_CHECKING:
    import pydantic

_EXTERNAL_REFERENCE: t.Final = re.compile(r'"\$ref": "(?!#)')


def build_tool(spec: ToolSpec, run_context: RunContext, max_chars: int) -> BaseTool:
    """Return a new tool object for one execution.

    :param max_chars: maximum length of its output, if the host has not set one for the tool.
    :raises ToolUnavailable: if this worker cannot create it.
    """
    function, arguments = _function_and_schema(spec, run_context)
    tool = tool_of_function(
        wrap_tool(spec, function, run_context, max_chars),
        name=spec.name,
        description=spec.description,
        arguments=arguments,
    )
    if gate := _gate(spec, tool, run_context):
        run_context.requests.gates[spec.name] = gate
    return tool


def _gate(spec: ToolSpec, tool: BaseTool, run_context: RunContext) -> Gate | None:
    validated = functools.partial(validate, tool)
    if spec is ASK_PERSON:
        return Gate(validated, Question(run_context.question, run_context.redact).settle)
    return approval_gate(spec, tool.args_schema.model_json_schema, validated, run_context)


def _function_and_schema(
    spec: ToolSpec, run_context: RunContext
) -> tuple[Function, type[pydantic.BaseModel]]:
    match spec:
        case FunctionToolSpec():
            return spec.function, arguments_model(spec)
        case CrewAIToolSpec():
            return _from_crewai(spec, run_context)
        case McpToolSpec():
            return _from_mcp(spec, run_context)
    raise AssertionError(f"Unknown kind of tool: {spec.name}")


def _from_crewai(
    spec: CrewAIToolSpec, run_context: RunContext
) -> tuple[Function, type[pydantic.BaseModel]]:
    tool = _instantiate(spec, run_context)

    def run(**arguments: object) -> str:
        return tool.format_output_for_agent(tool.run(**arguments))

    return run, tool.args_schema


def _instantiate(spec: CrewAIToolSpec, run_context: RunContext) -> BaseTool:
    module, _, name = spec.source.partition(":")
    options = {
        key: run_context.secrets.resolve(value) if isinstance(value, Secret) else value
        for key, value in spec.options.items()
    }
    try:
        tool = getattr(importlib.import_module(module), name)(**options)
    except Exception as error:
        raise ToolUnavailable(f"This worker cannot load the tool '{spec.name}'.") from error
    if not isinstance(tool, BaseTool):
        raise ToolUnavailable(f"The tool '{spec.name}' is not a CrewAI tool.")
    return tool


def _from_mcp(
    spec: McpToolSpec, run_context: RunContext
) -> tuple[Function, type[pydantic.BaseModel]]:
    schema = run_context.servers.schema(spec, run_context.secrets)
    if _EXTERNAL_REFERENCE.search(json.dumps(schema)):  # it would be fetched
        raise ToolUnavailable(f"The schema of the tool '{spec.name}' has external references.")
    required = schema.get("required", ())

    def call(**arguments: object) -> str:
        # CrewAI passes None for optional arguments that the model has omitted.
        present = {k: v for k, v in arguments.items() if v is not None or k in required}
        return run_context.servers.call(spec, present)

    try:
        return call, model_of_schema(schema, f"{spec.name}_arguments")
    except Exception as error:
        raise ToolUnavailable(f"The schema of the tool '{spec.name}' cannot be used.") from error
