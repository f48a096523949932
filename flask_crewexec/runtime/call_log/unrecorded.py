"""The calls of crews that are no runs, such as the one that warms a worker up."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from ... import clock
from ..stop_reasons import StopRun
from .journal import Journal
from .log import CallLog
from .requests import PlannedCall
from .requests import Settled
from .run_calls import RunCalls


class _Nowhere:
    """Writes nothing."""

    is_stopped = False

    def now(self) -> dt.datetime:
        return clock.now()

    def add_call(self, number: int, call: dict[str, t.Any]) -> None:
        pass

    def end_call(self, number: int, end: dict[str, t.Any]) -> None:
        pass

    def add_event(self, type: str, **data: object) -> None:
        pass

    def add_tool_event(self, type: str, **data: object) -> None:
        pass

    def begin_step_anew(self, position: int, generation: int) -> None:
        pass

    def flush(self) -> None:
        pass

    def flush_soon(self) -> None:
        pass

    def stop(self, reason: StopRun) -> None:
        pass


class _Open:
    """Lets all calls be made."""

    def settle(self, calls: Sequence[PlannedCall]) -> Mapping[str, Settled]:
        return {}


def unrecorded_calls() -> RunCalls:
    """Return calls of which nothing is written."""
    nowhere = _Nowhere()
    log = CallLog(nowhere, attempt=1)
    return RunCalls(log, Journal(), {}, nowhere, _Open(), on_unknown={})
