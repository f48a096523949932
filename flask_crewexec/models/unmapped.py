"""Executions that are not mapped: for what is read or written once, mapping takes longest."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from .execution import ExecutionMixin


class UnmappedExecution(ExecutionMixin):
    """An execution without the attribute tracking of mapped objects."""


def unmapped_execution(*columns: Mapping[str, t.Any]) -> UnmappedExecution:
    """Return an execution with the values of its columns; later ones override earlier ones."""
    execution = UnmappedExecution.__new__(UnmappedExecution)
    for values in columns:
        vars(execution).update(values)
    return execution


def is_plain(model: type[ExecutionMixin]) -> bool:
    """Return whether a mapped class is ours: that of a host may define more than columns."""
    return model.__module__ == ExecutionMixin.__module__
