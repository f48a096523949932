"""Every code of a problem document and of an exception, as data for the reference."""

from __future__ import annotations

import inspect
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from .. import errors as _errors
from ..errors import CrewExecError
from ..outbound import errors as _outbound
from . import problems as _problems
from . import stream_slots as _stream_slots


class ErrorCode(t.NamedTuple):
    """What a code means and what to do."""

    status: int
    title: str
    meaning: str
    remedy: str
    exception: str
    """Name of the exception class."""


def _classes() -> Iterator[type[CrewExecError]]:
    for module in (_errors, _outbound, _problems, _stream_slots):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, CrewExecError):
                yield value


def _describe(error: type[CrewExecError]) -> ErrorCode:
    meaning = " ".join((inspect.getdoc(error) or "").split())
    return ErrorCode(error.status, error.title, meaning, error.remedy, error.__name__)


ERROR_CODES: t.Final[Mapping[str, ErrorCode]] = {
    error.code: _describe(error)
    for error in sorted(_classes(), key=lambda error: error.code)
    if error is not CrewExecError
}
"""By code. Other HTTP errors have the name of their status as code: ``method-not-allowed``."""
