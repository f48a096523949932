"""Something that is asked again and again, and may not answer."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait

import sqlalchemy as sa

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
        question = self._question = self._question or self._begin()
        if not wait([question], seconds).done:
            return SourceError(f"{self._name} has not answered yet.")
        self._question = None
        try:
            return question.result()
        except BrokerUnavailable as error:
            return SourceError(error.detail)
        except sa.exc.SQLAlchemyError as error:
            return SourceError(database_trouble(error))

    def _begin(self) -> Future[T]:
        question: Future[T] = Future()
        threading.Thread(target=self._settle, args=(question,), daemon=True).start()
        return question

    def _settle(self, question: Future[T]) -> None:
        try:
            question.set_result(self._ask())
        except Exception as error:  # noqa: BLE001 - raised where the answer is awaited
            question.set_exception(error)
