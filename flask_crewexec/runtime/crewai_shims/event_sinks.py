"""CrewAI's events, delivered to one run in its own thread and in order."""

from __future__ import annotations

import typing as t

from crewai.events.stream_context import add_stream_sink
from crewai.llms.providers.openai.completion import OpenAICompletion

__all__ = ("add_stream_sink", "is_truncated")


def is_truncated(source: object, event: t.Any) -> bool:
    """Return whether a stream ended before the answer was complete, which CrewAI does not check.

    :param source: the LLM that has emitted the *event*, a completed call.
    """
    streams = isinstance(source, OpenAICompletion) and source.stream
    return bool(streams) and event.finish_reason is None
