"""Events before they are appended to the event log."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

CONDITION_MET: t.Final = "condition_met"
"""Type of the event that records that a conditional step is done."""
CREW_PLANNED: t.Final = "crew_planned"
"""Type of the event that contains the crew's plans."""


@dataclasses.dataclass(frozen=True)
class NewEvent:
    """An event that has no number yet, and happens when it is appended."""

    type: str
    data: dict[str, t.Any]

    def at(self, moment: dt.datetime) -> DatedEvent:
        """Return the event as one that happened at *moment*, by the database's clock."""
        return DatedEvent(self.type, self.data, moment)


@dataclasses.dataclass(frozen=True)
class DatedEvent:
    """An event that has no number yet, but has a time."""

    type: str
    data: dict[str, t.Any]
    time: dt.datetime
