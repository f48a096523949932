"""Events before they are appended to the event log."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .. import clock


@dataclasses.dataclass(frozen=True)
class NewEvent:
    """An event that has no number yet."""

    type: str
    data: dict[str, t.Any]
    at: dt.datetime = dataclasses.field(default_factory=clock.now)
