"""Tool calls that models without native ones write into their answers, as CrewAI makes them."""

from __future__ import annotations

import contextlib
import functools
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from contextvars import ContextVar

from crewai.tools.tool_types import ToolResult

Make = Callable[[], ToolResult]

_maker: ContextVar[Callable[[t.Any, Make], ToolResult] | None] = ContextVar(
    "crewexec_written_action", default=None
)


@contextlib.contextmanager
def made_by(maker: Callable[[t.Any, Make], ToolResult]) -> Iterator[None]:
    """Let *maker* make the call in the context: it takes CrewAI's action, and how to make it."""
    token = _maker.set(maker)
    try:
        yield
    finally:
        _maker.reset(token)


def pass_to_maker(execute: Callable[..., ToolResult]) -> Callable[..., ToolResult]:
    """Return CrewAI's function that makes written calls, so that :func:`made_by` has its effect."""

    @functools.wraps(execute)
    def make_call(agent_action: t.Any, *args: t.Any, **kwargs: t.Any) -> ToolResult:
        maker = _maker.get()
        make = functools.partial(execute, agent_action, *args, **kwargs)
        return make() if maker is None else maker(agent_action, make)

    return make_call
