"""Records how tool calls end, before CrewAI learns of it.

CrewAI's own events do not come when the run is stopped in the meantime.
"""

from __future__ import annotations

import contextlib
import functools
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

from ..process.termination import ends_process
from ..statuses import NOT_MADE
from .call_log.log import CallError
from .call_log.requests import ToolCall
from .call_log.run_calls import current_call_id
from .call_log.run_calls import current_tool
from .mcp_servers import McpFailure
from .run_context import RunContext
from .stop_reasons import MISSING
from .tool_errors import ToolExited
from .tool_errors import ToolTimeout

Function = Callable[..., object]

TOLD: t.Final = "Error executing tool: {}"
"""What CrewAI tells a model of an exception."""


def recorded(run: Function, function: Function, name: str, run_context: RunContext) -> Function:
    """Return *run*, which calls the *function* of a tool, so that its ends are recorded.

    If people had to decide about a call, it is made as they have decided.

    :param name: of the tool.
    """

    @functools.wraps(function)
    def call(**arguments: object) -> object:
        tool = current_tool.get()
        calls, requests = run_context.calls, run_context.requests
        if tool is None:  # a crew of the host calls it
            requests.check_free(name)
            return run(**arguments)
        if tool.failure is not None:
            raise tool.failure
        settled = requests.settle_made(name, tool, arguments, calls.note_not_made)
        if settled.text is not None:
            calls.end_tool(tool, settled.text, settled.error)
            return settled.text
        if settled.arguments is not None:
            arguments = settled.arguments
        run_context.before_tool()
        tool.open.entered = True
        try:
            with _outside(tool, run_context):
                result = run(**arguments)
        except BaseException as error:
            if not ends_process(error):
                tool.failure = error
                calls.end_tool(tool, TOLD.format(error), error_of(error), str(error))
            raise
        calls.end_tool(tool, str(result))
        return result

    return call


def error_of(error: BaseException) -> CallError:
    """Return why a tool call has failed."""
    if isinstance(error, MISSING):
        return CallError(NOT_MADE)  # so it is made once there is a secret, or a user
    if isinstance(error, ToolTimeout):
        return CallError("timeout", may_have_acted=True)
    if isinstance(error, McpFailure):
        return CallError("server", may_have_acted=True)
    return CallError("exited" if isinstance(error, ToolExited) else "exception")


@contextlib.contextmanager
def _outside(tool: ToolCall, run_context: RunContext) -> Iterator[None]:
    """Let what the tool does not count as part of the run, except for the id of its call."""
    id = current_call_id.set(tool.open.unique_id(run_context.execution.id))
    call = current_tool.set(None)
    try:
        yield
    finally:
        current_tool.reset(call)
        current_call_id.reset(id)
