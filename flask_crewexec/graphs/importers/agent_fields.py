"""What the fields of CrewAI's agents become in a graph."""

from __future__ import annotations

import typing as t

from .crewai_fields import PLANNING
from .draft import Draft
from .import_result import Place
from .supported_fields import Fields
from .supported_fields import fields_of
from .supported_fields import keep_supported

MAX_ITER: t.Final = 25
"""CrewAI's default of an agent's ``max_iter``."""
_SAME_FIELDS: t.Final = (
    *("role", "goal", "backstory", "allow_delegation", "max_iter", "inject_date"),
    *("reasoning", "max_reasoning_attempts"),
)
"""Fields that graphs have, too."""


def agent_data(kept: Fields, draft: Draft) -> Fields:
    """Return the data of an agent's node."""
    given = Fields({name: kept[name] for name in _SAME_FIELDS if kept.value(name) is not None})
    given.setdefault("max_iter", (MAX_ITER, Place("")))
    return _with_planning(given, kept, draft)


def _with_planning(given: Fields, kept: Fields, draft: Draft) -> Fields:
    config, place = kept.get("planning_config", (None, Place("")))
    if isinstance(config, dict):
        return _with_configured_planning(given, fields_of(config, place), place, draft)
    if config is not None:
        draft.refuse_type(place, "an object", config)
    planning, place = kept.get("planning", (None, Place("")))
    if planning in (None, False) or given.value("reasoning"):
        return given
    # CrewAI makes such a plan once.
    given["reasoning"] = (planning, place)
    given["max_reasoning_attempts"] = (1, place)
    return given


def _with_configured_planning(given: Fields, config: Fields, place: Place, draft: Draft) -> Fields:
    kept = keep_supported(config, PLANNING, draft)
    given["reasoning"] = (True, place)
    given.pop("max_reasoning_attempts", None)
    if kept.value("max_attempts") is not None:
        given["max_reasoning_attempts"] = kept["max_attempts"]
    return given
