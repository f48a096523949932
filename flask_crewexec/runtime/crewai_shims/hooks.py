"""Interception hooks of one run, apart from those of the whole process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from crewai.hooks import InterceptionPoint
from crewai.hooks.dispatch import get_global_hook_list
from crewai.hooks.dispatch import scoped_hooks

__all__ = ("scoped_hooks", "without_global_hooks")


@contextlib.contextmanager
def without_global_hooks() -> Iterator[None]:
    """Remove all hooks of the process, and put them back at the end."""
    saved = [(hooks, hooks.copy()) for hooks in map(get_global_hook_list, InterceptionPoint)]
    for hooks, _ in saved:
        hooks.clear()
    try:
        yield
    finally:
        for hooks, before in saved:
            hooks[:0] = before
