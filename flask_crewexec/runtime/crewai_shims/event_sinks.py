"""CrewAI's events, delivered to one run in its own thread and in order."""

from __future__ import annotations

from crewai.events.stream_context import add_stream_sink

__all__ = ("add_stream_sink",)
