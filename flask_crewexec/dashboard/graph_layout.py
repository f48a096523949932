"""Layered layout of a graph: columns from left to right, by the longest path to each task.

An arrow that skips columns has a lane of its own in each of them, so that it crosses no task.
"""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from ..graphs import DEFAULT_MODEL
from ..graphs import Graph
from ..graphs import LlmNode
from ..graphs import TaskNode
from ..models import StepMixin
from ..statuses import STEP_DONE
from ..statuses import StepStatus
from ..text import fitted
from ..text import width_of

WIDTH: t.Final = 216
HEIGHT: t.Final = 96
_LANE: t.Final = 10
_GAP_X: t.Final = 64
_GAP_Y: t.Final = 26
_MARGIN: t.Final = 8
_SWEEPS: t.Final = 4
_MAX_TASKS: t.Final = 100
_MAX_LANES: t.Final = 2_000
_LABELS_WIDTH: t.Final = WIDTH - 28
_LETTER: t.Final = 6.3
"""Mean width of a letter in labels."""

Slot = tuple[str, ...]
"""An item of a column: a task, ``(task,)``, or the lane of an arrow, ``(source, target)``."""
Place = tuple[int, Slot]
"""A slot in the column of this number."""
Columns = list[list[Slot]]
Neighbours = dict[Place, list[Place]]
Edge = tuple[str, str]


class Label(t.NamedTuple):
    """A tool or model, shown in the box of its task."""

    kind: str
    text: str
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Box:
    """A task with its position."""

    position: int
    """Position in the order of execution, from 0."""
    x: float
    y: float
    name: str
    agent: str
    status: str
    labels: tuple[Label, ...]


class Arrow(t.NamedTuple):
    """An arrow from a task to one that reads its output, or that comes next."""

    path: str
    """SVG path."""
    reads: bool
    is_done: bool


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A diagram of *width* by *height*."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    box_width: int = WIDTH
    box_height: int = HEIGHT


def draw(graph: Graph, steps: Sequence[StepMixin]) -> Drawing | None:
    """Return the diagram of a graph with the statuses of its *steps*; None if it is too large."""
    known = {step.node_id: step for step in steps}
    reads = [(source, task.id) for task in graph.tasks for source in task.context]
    # If no task reads another one's output, show the order.
    edges = reads or [*itertools.pairwise(task.id for task in graph.tasks)]
    depths = _depths(graph.tasks, edges)
    lanes = sum(depths[target] - depths[source] - 1 for source, target in edges)
    if len(graph.tasks) > _MAX_TASKS or lanes > _MAX_LANES:
        return None
    columns = _sorted(_columns(depths, edges), _neighbours(depths, edges))
    height = max(_height(column) for column in columns)
    places = _place(columns, height)
    return Drawing(
        width=2 * _MARGIN + len(columns) * (WIDTH + _GAP_X) - _GAP_X,
        height=2 * _MARGIN + height,
        boxes=tuple(
            _box(graph, index, task, known.get(task.id), places[depths[task.id], (task.id,)])
            for index, task in enumerate(graph.tasks)
        ),
        arrows=tuple(
            Arrow(_path(edge, depths, places), bool(reads), _is_completed(known.get(edge[0])))
            for edge in edges
        ),
    )


def _depths(tasks: Sequence[TaskNode], edges: Sequence[Edge]) -> dict[str, int]:
    sources: dict[str, list[str]] = {task.id: [] for task in tasks}
    for source, target in edges:
        sources[target].append(source)
    depths: dict[str, int] = {}
    for task, before in sources.items():  # in the order of execution
        depths[task] = 1 + max((depths[source] for source in before), default=-1)
    return depths


def _columns(depths: Mapping[str, int], edges: Sequence[Edge]) -> Columns:
    columns: Columns = [[] for _ in range(1 + max(depths.values()))]
    for task, depth in depths.items():
        columns[depth].append((task,))
    for source, target in edges:
        for depth in range(depths[source] + 1, depths[target]):
            columns[depth].append((source, target))
    return columns


def _neighbours(depths: Mapping[str, int], edges: Sequence[Edge]) -> Neighbours:
    """Return the slots to which each slot is connected in the adjacent columns."""
    joined: Neighbours = {}
    for edge in edges:
        for here, there in itertools.pairwise(_route(edge, depths)):
            joined.setdefault(here, []).append(there)
            joined.setdefault(there, []).append(here)
    return joined


def _route(edge: Edge, depths: Mapping[str, int]) -> list[Place]:
    """Return the slots through which an arrow passes, with their columns."""
    source, target = edge
    lanes = [(depth, edge) for depth in range(depths[source] + 1, depths[target])]
    return [(depths[source], (source,)), *lanes, (depths[target], (target,))]


def _sorted(columns: Columns, joined: Neighbours) -> Columns:
    """Sort each column by the mean position of the neighbours, so that few arrows cross."""
    indices = range(len(columns))
    for sweep in range(_SWEEPS):
        side = -1 if sweep % 2 == 0 else 1
        for depth in indices if side < 0 else reversed(indices):
            _sort_column(columns, depth, side, joined)
    return columns


def _sort_column(columns: Columns, depth: int, side: int, joined: Neighbours) -> None:
    adjacent = depth + side
    if not 0 <= adjacent < len(columns):
        return
    rows = {slot: row for row, slot in enumerate(columns[adjacent])}

    def mean_row(row_and_slot: tuple[int, Slot]) -> float:
        row, slot = row_and_slot
        near = [rows[other] for at, other in joined.get((depth, slot), ()) if at == adjacent]
        return sum(near) / len(near) if near else float(row)

    columns[depth] = [slot for _, slot in sorted(enumerate(columns[depth]), key=mean_row)]


def _place(columns: Columns, height: float) -> dict[Place, tuple[float, float]]:
    """Return the upper left corner of each slot."""
    places: dict[Place, tuple[float, float]] = {}
    for depth, column in enumerate(columns):
        x = _MARGIN + depth * (WIDTH + _GAP_X)
        y = _MARGIN + (height - _height(column)) / 2
        for slot in column:
            places[depth, slot] = (x, y)
            y += _slot_height(slot) + _GAP_Y
    return places


def _height(column: Sequence[Slot]) -> float:
    return sum(_slot_height(slot) + _GAP_Y for slot in column) - _GAP_Y


def _slot_height(slot: Slot) -> int:
    return HEIGHT if len(slot) == 1 else _LANE


def _path(
    edge: Edge, depths: Mapping[str, int], places: Mapping[Place, tuple[float, float]]
) -> str:
    source, *lanes, target = (places[place] for place in _route(edge, depths))
    x, y = source[0] + WIDTH, source[1] + HEIGHT / 2
    parts = [f"M{x:g} {y:g}"]
    for left, top in lanes:
        parts.append(f"{_curve(x, y, left, top + _LANE / 2)} h{WIDTH}")
        x, y = left + WIDTH, top + _LANE / 2
    return " ".join([*parts, _curve(x, y, target[0] - 5, target[1] + HEIGHT / 2)])


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    bend = (x + to_x) / 2
    return f"C{bend:g} {y:g} {bend:g} {to_y:g} {to_x:g} {to_y:g}"


def _is_completed(step: StepMixin | None) -> bool:
    return step is not None and step.status in STEP_DONE


def _box(
    graph: Graph,
    index: int,
    task: TaskNode,
    step: StepMixin | None,
    place: tuple[float, float],
) -> Box:
    return Box(
        position=index,
        x=place[0],
        y=place[1],
        name=task.name,
        agent=(step.agent if step else None) or agent_of(graph, task),
        status=step.status if step else StepStatus.PENDING,
        labels=_labels(graph, task),
    )


def agent_of(graph: Graph, task: TaskNode) -> str:
    """Return the role of the agent that does a task, if the graph names one."""
    roles = {agent.id: agent.role for agent in graph.agents}
    return roles[task.agent_id] if task.agent_id else "chosen by the manager"


def manager_of(graph: Graph) -> str | None:
    """Return the role or model that manages the crew, if there is one."""
    if graph.manager is None:
        return None
    return graph.manager.name if isinstance(graph.manager, LlmNode) else graph.manager.role


def _labels(graph: Graph, task: TaskNode) -> tuple[Label, ...]:
    """Return as many labels of a task as fit, and how many more there are."""
    wanted = _resources(graph, task)
    labels: list[Label] = []
    x = 0.0
    for index, (kind, text) in enumerate(wanted):
        label = _label(kind, fitted(text, 18), x)
        is_last = index == len(wanted) - 1
        if x + label.width > _LABELS_WIDTH - (0 if is_last else 34):
            return (*labels, _label("more", f"+{len(wanted) - index}", x))
        labels.append(label)
        x += label.width + 5
    return tuple(labels)


def _label(kind: str, text: str, x: float) -> Label:
    return Label(kind, text, x, round(width_of(text) * _LETTER + 14, 1))


def _resources(graph: Graph, task: TaskNode) -> list[tuple[str, str]]:
    agent = next((agent for agent in graph.agents if agent.id == task.agent_id), None)
    tools = dict.fromkeys([*task.tools, *(agent.tools if agent else ())])
    model = [] if agent is None else [agent.llm.name if agent.llm else DEFAULT_MODEL]
    return [*(("model", name) for name in model), *(("tool", name) for name in tools)]
