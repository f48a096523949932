"""Poll a database or a broker that may not answer."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from concurrent.futures import Future

import sqlalchemy as sa

from ..bounded_call import has_ended
from ..bounded_call import start_call
from ..errors import BrokerUnavailable
from .error_messages import database_message

T = t.TypeVar("T")


class SourceError(str):
    """Reason why there is no answer, in one line."""


class PolledSource(t.Generic[T]):
    """A database or a broker that is polled in a thread of its own.

    Drivers may block for minutes when a server hangs, and the page must not. The thread ends with
    the process.

    :param name: name of the source, as the beginning of a sentence.
    :param ask: returns the answer.
    """

    def __init__(self, name: str, ask: Callable[[], T]) -> None:
        self._name = name
        self._ask = ask
        self._pending: Future[T] | None = None

    def poll(self, seconds: float) -> T | SourceError:
        """Return the answer, or an error after *seconds*; a late answer is for the next call."""
        call = self._pending = self._pending or start_call(self._ask, name="crewexec-poll")
        if not has_ended(call, seconds):
            return SourceError(f"{self._name} has not answered yet.")
        self._pending = None
        try:
            return call.result()
        except BrokerUnavailable as error:
            return SourceError(error.detail)
        except sa.exc.SQLAlchemyError as error:
            return SourceError(database_message(error))
