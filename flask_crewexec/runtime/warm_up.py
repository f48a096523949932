"""Warm-up: runs a crew when a worker starts, to fill all caches.

Processes that are forked later share them, so their first crews take no longer than later ones.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import typing as t
import uuid
from collections.abc import Iterator

import httpx

from .crewai_shims.agent_executor import SingleThreadExecutor
from .crewai_shims.hooks import without_global_hooks
from .crewai_shims.kickoff_context import prepare_run_context
from .crewai_shims.openai_llm import OpenAILLM
from .crewai_shims.public_api import crewai
from .crewai_shims.public_api import crewai_event_bus
from .crewai_shims.tasks import Step

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
    """Run the warm-up crew, without network access, remaining threads, log lines or hooks."""
    with _muted_logging(), crewai_event_bus.scoped_handlers(), without_global_hooks():
        contextvars.copy_context().run(_run)


@contextlib.contextmanager
def _muted_logging() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _run() -> None:
    prepare_run_context(uuid.uuid4())
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=_ANSWER))
    with httpx.Client(transport=transport) as client:
        model = OpenAILLM(
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
            executor_class=SingleThreadExecutor,
            respect_context_window=False,
        )
        step = Step(name="warm-up", description="Warm up", expected_output="Warmth", agent=agent)
        crewai.Crew(agents=[agent], tasks=[step], tracing=False).kickoff()
