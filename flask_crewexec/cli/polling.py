"""Something that is asked again and again, and may not answer."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from concurrent.futures import Future

import sqlalchemy as sa

from ..bounded_call import has_ended
from ..bounded_call import start_call
from ..errors import BrokerUnavailable
from .error_messages import database_trouble

T = t.TypeVar("T")


class SourceError(str):
    """Why there is no answer, in one line."""


class PolledSource(t.Generic[T]):
    """A database or a broker, asked in a thread of its own.

    Drivers may block for minutes when a server is frozen; who looks at a screen does not. The
    thread ends with the process.

    :param ask: returns the answer.
    :param name: what is asked, as the beginning of a sentence.
    """

    def __init__(self, name: str, ask: Callable[[], T]) -> None:
        self._name = name
        self._ask = ask
        self._question: Future[T] | None = None

    def poll(self, seconds: float) -> T | SourceError:
        """Ask, and wait for so long; what comes later is the next call's answer."""
        question = self._question = self._question or start_call(self._ask, name="crewexec-poll")
        if not has_ended(question, seconds):
            return SourceError(f"{self._name} has not answered yet.")
        self._question = None
        try:
            return question.result()
        except BrokerUnavailable as error:
            return SourceError(error.detail)
        except sa.exc.SQLAlchemyError as error:
            return SourceError(database_trouble(error))
