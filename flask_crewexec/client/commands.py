"""What operations ask for, and get: they do no I/O themselves, so that two clients share them.

An operation is a generator. It yields commands, which a client carries out with httpx, and is sent
their outcomes; it returns its result, or yields each as an :class:`Item`.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Generator
from collections.abc import Mapping

from .errors import ApiError

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Request:
    """A request to the API."""

    method: str
    path: str
    query: Mapping[str, object] = dataclasses.field(default_factory=dict)
    body: object = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    wait: int = 0
    """Seconds for which the server may wait before it answers."""
    is_repeatable: bool = True
    """Whether sending it twice has the same effect as sending it once."""


class Answer(t.NamedTuple):
    """A successful response."""

    headers: Mapping[str, str]
    body: bytes


class Failure(t.NamedTuple):
    """A request that was refused or not answered."""

    error: ApiError
    was_sent: bool = True


class Send(t.NamedTuple):
    """Send a request; the outcome is an :class:`Answer` or a :class:`Failure`."""

    request: Request


class Open(t.NamedTuple):
    """Send a request whose answer is a stream, in place of the one before.

    The outcome is a :class:`Failure` or None.
    """

    request: Request
    silence: float
    """Seconds without a sign of life, after which reading fails."""


class Read(t.NamedTuple):
    """Read from the stream; the outcome is bytes, empty at the end, or a :class:`Failure`."""


class Pause(t.NamedTuple):
    """Do nothing for some seconds."""

    seconds: float


class Item(t.NamedTuple, t.Generic[T]):
    """One of the results of an operation."""

    value: T


Command: t.TypeAlias = Send | Open | Read | Pause
Commands: t.TypeAlias = Generator[Command, t.Any, T]
"""An operation with one result."""
Stream: t.TypeAlias = Generator[Command | Item[T], t.Any, None]
"""An operation with several results."""
