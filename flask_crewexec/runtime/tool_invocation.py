"""Invocation of a tool: context, timeout, truncation and redaction."""

from __future__ import annotations

import contextvars
import functools
import logging
import threading
import typing as t
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

from ..bounded_call import has_ended
from ..bounded_call import start_call
from ..observability import tracing
from ..observability.redaction import Redactor
from ..process.termination import ends_process
from ..registry.external_tools import McpToolSpec
from ..registry.specs import ToolSpec
from ..text import storable
from .host_callbacks import with_run_context
from .recorded_tools import recorded
from .run_context import RunContext
from .stop_reasons import MISSING
from .stop_reasons import missing_stop
from .tool_errors import ToolExited
from .tool_errors import ToolFailed
from .tool_errors import ToolTimeout

Function = Callable[..., object]

log = logging.getLogger(__name__)

MAX_ABANDONED_CALLS: t.Final = 10
"""How many abandoned calls of one tool may still run in this process."""


def wrap_tool(
    spec: ToolSpec, function: Function, run_context: RunContext, max_chars: int
) -> Function:
    """Return *function* with its context, timeout and maximum length of output."""
    call_in_context = with_run_context(function, run_context)
    limit = spec.max_output_chars or max_chars

    def run(**arguments: object) -> object:
        try:
            with tracing.trace_tool(run_context.execution.id, spec.name, arguments) as note_result:
                if spec.timeout is None or isinstance(spec, McpToolSpec):  # it has its own timeout
                    result = call_in_context(**arguments)
                else:
                    bound = functools.partial(call_in_context, **arguments)
                    result = _call_with_timeout(spec, bound)
                told = _truncate(result, limit, run_context.redact)
                note_result(told)
                return told
        except MISSING as error:
            run_context.stop(missing_stop(error))
            raise
        except Exception as error:
            message = str(error)
            shown = str(_truncate(message, limit, run_context.redact))
            if shown == message:
                raise
            raise ToolFailed(shown) from error
        except BaseException as error:
            if ends_process(error):
                raise
            raise ToolExited(f"The tool '{spec.name}' has failed.") from error

    return recorded(run, function, spec.name, run_context)


def _truncate(result: object, limit: int, redact: Redactor) -> object:
    """Return *result*; if it is too long, truncate its text, but never within a secret."""
    text = storable(result) if isinstance(result, str) else str(result)
    if len(text) > limit:
        kept = text[: limit - redact.partial_match_length(text[:limit])]
        return f"{kept}… [cut: {len(kept)} of {len(text)} characters]"
    return text if isinstance(result, str) else result


_abandoned: Counter[str] = Counter()
_lock: t.Final = threading.Lock()


def _call_with_timeout(spec: ToolSpec, function: Callable[[], object]) -> object:
    """Call *function* in a thread that is abandoned after the tool's timeout.

    :raises ToolTimeout: then, or if too many abandoned calls of the tool still run.
    """
    with _lock:
        if _abandoned[spec.name] >= MAX_ABANDONED_CALLS:
            raise ToolTimeout(f"The tool '{spec.name}' is stuck. Do without it.")
    call = start_call(
        function, name=f"crewexec-tool-{spec.name}", context=contextvars.copy_context()
    )
    if not has_ended(call, spec.timeout):
        _abandon(spec.name, call)
        raise ToolTimeout(
            f"The tool '{spec.name}' took longer than {spec.timeout:g} seconds and was given up."
        )
    return call.result()


def _abandon(name: str, call: Future[object]) -> None:
    """Count a call that still runs, until it ends."""
    with _lock:
        _abandoned[name] += 1
    log.warning("A call of tool '%s' has timed out; the run continues without it.", name)
    call.add_done_callback(lambda _: _count_end(name))


def _count_end(name: str) -> None:
    with _lock:
        _abandoned[name] -= 1
    log.warning("An abandoned call of tool '%s' has ended.", name)
