"""A crew that runs before all others, so that what the first one makes is made.

Processes that are forked later share it, and the first crew of each takes no longer than the next.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import typing as t
import uuid
from collections.abc import Iterator

import httpx

from .crewai_setup import crewai
from .crewai_setup import crewai_event_bus
from .crewai_setup import enter_run
from .crewai_setup import get_global_hook_list
from .crewai_setup import InterceptionPoint
from .executor import Executor
from .llms import Connections
from .llms import SyncCompletion
from .steps import Step

_MESSAGE: t.Final = {"role": "assistant", "content": "Warm"}
_ANSWER: t.Final = {
    "id": "warm-up",
    "object": "chat.completion",
    "created": 0,
    "model": "warm-up",
    "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def warm_up() -> None:
    """Run it; nothing leaves the process, no thread stays, and nobody is told."""
    with Connections():  # reads the certificates
        pass
    with _in_silence(), crewai_event_bus.scoped_handlers(), _without_hooks():
        contextvars.copy_context().run(_run)


@contextlib.contextmanager
def _in_silence() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _without_hooks() -> Iterator[None]:
    """Put the host's hooks aside: they would judge, or refuse, a crew that nobody ordered."""
    aside = [(hooks, hooks.copy()) for hooks in map(get_global_hook_list, InterceptionPoint)]
    for hooks, _ in aside:
        hooks.clear()
    try:
        yield
    finally:
        for hooks, before in aside:
            hooks[:0] = before


def _run() -> None:
    enter_run(uuid.uuid4())
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=_ANSWER))
    with httpx.Client(transport=transport) as client:
        model = SyncCompletion(
            model="warm-up",
            base_url="http://model.invalid",
            api_key="none",
            client_params={"http_client": client},
        )
        agent = crewai.Agent(
            role="Worker",
            goal="Warm up",
            backstory="New here",
            llm=model,
            executor_class=Executor,
            respect_context_window=False,
        )
        step = Step(name="warm-up", description="Warm up", expected_output="Warmth", agent=agent)
        crewai.Crew(agents=[agent], tasks=[step], tracing=False).kickoff()
