"""The Redis lists in which messages wait, as kombu names them."""

from __future__ import annotations


def list_of(priority: int, queue: str = "crew_execution") -> str:
    """The list of a priority from 1 to 10."""
    return queue if priority == 1 else f"{queue}\x06\x16{priority - 1}"
