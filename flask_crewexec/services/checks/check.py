"""A check of the installation, and what it may find."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Iterable

from ...app_state import AppState

Status = t.Literal["ok", "warning", "error", "skipped"]

DEFAULT_SECONDS: t.Final = 20.0


class Result(t.NamedTuple):
    """One thing that a check has found."""

    status: Status
    detail: str
    """Sentence that says what was found; it contains no secrets."""
    remedy: str = ""
    """Sentence that says what operators do about it."""


class Check(t.NamedTuple):
    """A check, which is independent of the others except for those that it needs."""

    name: str
    run: Callable[[AppState], Iterable[Result]]
    needs: tuple[str, ...] = ()
    """Names of earlier checks; if one of them fails, this one is skipped."""
    seconds: float = DEFAULT_SECONDS
    """How long it may take."""


class Finding(t.NamedTuple):
    """A result with the name of its check."""

    check: str
    status: Status
    detail: str
    remedy: str


def ok(detail: str) -> Result:
    """Return the result that nothing is wrong."""
    return Result("ok", detail)


def skipped(detail: str) -> Result:
    """Return the result that something could not be, or need not be, checked."""
    return Result("skipped", detail)


def warning(detail: str, remedy: str) -> Result:
    """Return the result that something is risky or unusual."""
    return Result("warning", detail, remedy)


def error(detail: str, remedy: str) -> Result:
    """Return the result that something does not work."""
    return Result("error", detail, remedy)


def unless_any(problems: Iterable[Result], detail: str) -> list[Result]:
    """Return the *problems*, or one result that nothing is wrong."""
    return list(problems) or [ok(detail)]
