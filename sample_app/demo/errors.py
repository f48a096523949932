"""Errors of the demo."""

from __future__ import annotations


class DemoFailed(Exception):
    """A stage failed; the message says which, why and where to look."""


class ChildFailed(DemoFailed):
    """A process of the demo ended unexpectedly or did not become ready."""

    def __init__(self, reason: str, details: str) -> None:
        super().__init__(f"{reason}\n{details}")
        self.reason = reason


class ModelUnavailable(Exception):
    """This machine cannot run the local model; the message says why."""
