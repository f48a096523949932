"""Every type of event has a title on the dashboard."""

from __future__ import annotations

from flask_crewexec.dashboard import event_descriptions
from flask_crewexec.schemas import EVENT_TYPES


def test_no_title_is_missing_or_stale() -> None:
    assert event_descriptions._TITLES.keys() == EVENT_TYPES.keys()
