"""Those of a crew who have no task: its manager, and agents to whom others may delegate."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterator

from ..graphs import Graph
from ..graphs import LlmNode
from ..text import fitted
from ..text import width_of
from .graph_places import Places

_MAX_WIDTH: t.Final = 1024
"""Of the row; further members are counted."""
_MARGIN: t.Final = 8
_GAP: t.Final = 28
_HEIGHT: t.Final = 38
_BELOW: t.Final = 34
"""Between the row and the boxes."""
_ROW: t.Final = _HEIGHT + _BELOW
_LETTER: t.Final = 7.2
"""Mean width of a letter of a name."""
_MAX_LINKED: t.Final = 12
"""Lines to more tasks could not be told apart."""


class Member(t.NamedTuple):
    """A manager or coworker, with the place of its box."""

    kind: str
    """``manager``, ``coworker``, or ``more`` of them."""
    name: str
    x: float
    y: float
    width: float
    height: float


class Crew(t.NamedTuple):
    """The members in a row above the tasks, and the lines to tasks and to each other."""

    members: tuple[Member, ...]
    links: tuple[str, ...]
    """SVG paths, from those who delegate."""

    @property
    def width(self) -> float:
        """Width of the row."""
        return max((each.x + each.width for each in self.members), default=0.0) + _MARGIN

    @property
    def height(self) -> float:
        """How far down the tasks begin."""
        return _ROW if self.members else 0.0


def manager_of(graph: Graph) -> str | None:
    """Return the role or model that manages the crew, if there is one."""
    if graph.manager is None:
        return None
    return graph.manager.name if isinstance(graph.manager, LlmNode) else graph.manager.role


def place_crew(graph: Graph, places: Places) -> Crew:
    """Return the row of a graph whose tasks have their *places*."""
    members = tuple(_members(graph))
    return Crew(members, tuple(_links(graph, places, members)))


def _members(graph: Graph) -> Iterator[Member]:
    manager = manager_of(graph)
    wanted = [("manager", manager)] if manager is not None else []
    wanted += [("coworker", agent.role) for agent in graph.coworkers]
    x = float(_MARGIN)
    for index, (kind, name) in enumerate(wanted):
        member = _member(kind, name, x)
        if x + member.width > _MAX_WIDTH:
            yield _member("more", f"{len(wanted) - index} more", x)
            return
        yield member
        x += member.width + _GAP


def _member(kind: str, name: str, x: float) -> Member:
    width = max(90.0, round(width_of(fitted(name, 26)) * _LETTER + 26, 1))
    return Member(kind, name, x, _MARGIN, width, _HEIGHT)


def _links(graph: Graph, places: Places, members: tuple[Member, ...]) -> Iterator[str]:
    """Yield lines from the manager to tasks and coworkers, or from tasks to coworkers."""
    if not members or len(graph.tasks) > _MAX_LINKED:
        return
    if members[0].kind == "manager":
        for task in graph.tasks:
            yield _line(members[0], places, places.of(task.id))
        for before, after in itertools.pairwise(members):
            yield f"M{before.x + before.width:g} {before.y + _HEIGHT / 2:g} H{after.x:g}"
        return
    may = {agent.id for agent in graph.agents if agent.allow_delegation}
    for task in graph.tasks:
        if task.agent_id in may:
            for member in members:
                yield _line(member, places, places.of(task.id))


def _line(member: Member, places: Places, corner: tuple[float, float]) -> str:
    x, y = member.x + member.width / 2, member.y + member.height
    to_x, to_y = corner[0] + places.size.width / 2, corner[1] + _ROW
    bend = y + _BELOW / 2
    return f"M{x:g} {y:g} C{x:g} {bend + 10:g} {to_x:g} {bend - 10:g} {to_x:g} {to_y:g}"
