"""What a tool call raises when it fails; CrewAI tells the model the message."""

from __future__ import annotations


class ToolFailed(Exception):
    """A call has failed with a message that had to be changed; the model is told the new one."""


class ToolExited(Exception):
    """A tool has tried to end the process; the model is told the message."""


class ToolTimeout(Exception):
    """A call took too long; the model is told the message."""
