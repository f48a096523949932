"""Filters of the list of executions, as its address and its form have them."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from .formatting import spoken
from .look import current_look

_MOMENTS: t.Final = ("created_after", "created_before")
_NAMES: t.Final = (
    "status",
    "graph_id",
    "forked_from",
    "thread_id",
    "code",
    "user_id",
    *_MOMENTS,
    "limit",
)

_TITLES: t.Final = {
    "status": "Status",
    "graph_id": "Graph",
    "forked_from": "Forks of",
    "thread_id": "Thread",
    "code": "Error",
    "user_id": "User",
    "created_after": "Queued from",
    "created_before": "Queued before",
}


def read_filters(arguments: Mapping[str, str]) -> dict[str, str]:
    """Return the filters in an address; moments are in the time zone of the dashboard."""
    given = {name: arguments[name] for name in _NAMES if arguments.get(name)}
    return {name: _local(text) if name in _MOMENTS else text for name, text in given.items()}


def as_query(filters: Mapping[str, str]) -> dict[str, str]:
    """Return the filters as the list of executions takes them."""
    return {name: _zoned(text) if name in _MOMENTS else text for name, text in filters.items()}


class Chip(t.NamedTuple):
    """One filter that is in force."""

    title: str
    text: str
    others: dict[str, str]
    """The filters without it."""


def chips(filters: Mapping[str, str], graphs: Mapping[str, str]) -> list[Chip]:
    """Return the filters as people read them, each to be removed by itself.

    :param graphs: names by id.
    """
    found = []
    for name, title in _TITLES.items():
        if name in filters:
            others = {each: value for each, value in filters.items() if each != name}
            found.append(Chip(title, _shown(name, filters[name], graphs), others))
    return found


def _shown(name: str, text: str, graphs: Mapping[str, str]) -> str:
    if name == "status":
        return spoken(text)
    if name == "graph_id":
        return graphs.get(text, text)
    return text.replace("T", " ") if name in _MOMENTS else text


def _local(text: str) -> str:
    """Return a moment as a field for a date and a time has it; other text as it is."""
    try:
        moment = dt.datetime.fromisoformat(text)
        local = moment.astimezone(current_look().zone) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return text
    return local.replace(tzinfo=None).isoformat()


def _zoned(text: str) -> str:
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=current_look().zone).isoformat()
    except ValueError:
        return text
