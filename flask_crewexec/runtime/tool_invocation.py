"""One call of a tool: in its context, within its time, with an output of limited length."""

from __future__ import annotations

import contextvars
import functools
import logging
import threading
import typing as t
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

from ..errors import SecretMissing
from ..observability import tracing
from ..observability.redaction import Redactor
from ..registry.external_tools import McpToolSpec
from ..registry.specs import ToolSpec
from ..text import replace_surrogates
from .host_callbacks import with_run_context
from .run_context import RunContext
from .stop_reasons import MissingSecretStop

Function = Callable[..., object]

log = logging.getLogger(__name__)

MAX_ABANDONED_CALLS: t.Final = 10
"""Calls of one tool that may go on in this process after they were given up."""


class ToolOutputTooLong(Exception):
    """A call failed with more words than the model may read; it reads these."""


class ToolTimeout(Exception):
    """A call took too long; the model reads the message."""


def wrap_tool(
    spec: ToolSpec, function: Function, run_context: RunContext, most_chars: int
) -> Function:
    """Give *function* its context, time and length."""
    work = with_run_context(function, run_context)
    limit = spec.max_output_chars or most_chars

    @functools.wraps(function)
    def call(**arguments: object) -> object:
        try:
            with tracing.trace_tool(run_context.execution.id, spec.name):
                if spec.timeout is None or isinstance(spec, McpToolSpec):  # which keeps it itself
                    result = work(**arguments)
                else:
                    result = _call_with_timeout(spec, functools.partial(work, **arguments))
                return _truncate(result, limit, run_context.redact)
        except SecretMissing as error:
            run_context.stop(MissingSecretStop(error.detail))
            raise
        except Exception as error:
            said = str(error)
            if len(said) <= limit:
                raise
            raise ToolOutputTooLong(_truncate(said, limit, run_context.redact)) from error

    return call


def _truncate(result: object, limit: int, redact: Redactor) -> object:
    """Return *result*, as text and cut if it is too long; no half of a secret is left."""
    text = replace_surrogates(result) if isinstance(result, str) else str(result)
    if len(text) > limit:
        kept = text[: limit - redact.partial_match_length(text[:limit])]
        return f"{kept}… [cut: {len(kept)} of {len(text)} characters]"
    return text if isinstance(result, str) else result


_hanging: Counter[str] = Counter()
_lock: t.Final = threading.Lock()


def _call_with_timeout(spec: ToolSpec, work: Callable[[], object]) -> object:
    """Return what *work* returns, in a thread that is given up when the time is over.

    :raises ToolTimeout: then, or if too many earlier calls still go on.
    """
    with _lock:
        if _hanging[spec.name] >= MAX_ABANDONED_CALLS:
            raise ToolTimeout(f"The tool '{spec.name}' is stuck. Do without it.")
    call = _Call(spec.name, work)
    if not call.ends_within(spec.timeout):
        raise ToolTimeout(
            f"The tool '{spec.name}' took longer than {spec.timeout:g} seconds and was given up."
        )
    return call.future.result()


class _Call:
    """A call in a thread of its own, which may be given up."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._name = name
        self._work = work
        self._given_up = False
        self._ended = threading.Event()
        self.future: Future[object] = Future()
        # A daemon: a worker that is told to end does not wait for it.
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name=f"crewexec-tool-{name}",
            daemon=True,
        ).start()

    def ends_within(self, seconds: float | None) -> bool:
        """Wait for the end; False if the call was given up, so that nobody sees its result."""
        self._ended.wait(seconds)
        with _lock:
            if self._ended.is_set():
                return True
            self._given_up = True
            _hanging[self._name] += 1
        log.warning("Tool '%s' takes too long; the run goes on without it.", self._name)
        return False

    def _run(self) -> None:
        try:
            self.future.set_result(self._work())
        except BaseException as error:  # noqa: BLE001  # whoever waits raises it
            self.future.set_exception(error)
        with _lock:
            self._ended.set()
            if not self._given_up:
                return
            _hanging[self._name] -= 1
        log.warning("Tool '%s' has ended, but nobody waits for it any more.", self._name)
