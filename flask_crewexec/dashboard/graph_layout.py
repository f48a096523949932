"""The drawing of a graph: its tasks as boxes, in the layout that is the easiest to read."""

from __future__ import annotations

import functools
import itertools
import typing as t
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from ..graphs import DEFAULT_MODEL
from ..graphs import Graph
from ..graphs import TaskNode
from ..models import StepMixin
from ..statuses import CallKind
from ..statuses import STEP_DONE
from ..statuses import StepStatus
from ..storage.call_log import CallSpan
from ..text import fitted
from ..text import width_of
from ..text import wrapped
from .graph_columns import Columns
from .graph_columns import Edge
from .graph_columns import make_columns
from .graph_crew import Crew
from .graph_crew import place_crew
from .graph_places import BoxSize
from .graph_places import COMPACT
from .graph_places import NORMAL
from .graph_places import Places

_MAX_TASKS: t.Final = 100
_MAX_LANES: t.Final = 2_000
_CARD: t.Final = (1040, 680)
"""Width and height of the card in which a drawing is shown on a desktop, in pixels."""
_MAX_ROW: t.Final = 10
"""How many columns a row may have if there are several; more would not be legible."""
_FOLDS: t.Final = (None, 10, 6)
"""After how many tasks a column is folded into several; None for never."""
_NAME_COLUMNS: t.Final = 25
_TIMES: t.Final = "\N{MULTIPLICATION SIGN}"
_LETTER: t.Final = 6.3
"""Mean width of a letter in labels."""


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
    lines: tuple[str, ...]
    """The name, as it fits."""
    agent: str
    status: str
    labels: tuple[Label, ...]
    resources: tuple[str, ...]
    """All of what labels show: models, and tools with how often they were called."""


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
    size: BoxSize
    crew: Crew
    """Those who have no task, above the boxes."""

    @property
    def is_compact(self) -> bool:
        """Whether boxes have no room for tools and models."""
        return self.size is COMPACT


def draw(
    graph: Graph, steps: Sequence[StepMixin], calls: Sequence[CallSpan] = ()
) -> Drawing | None:
    """Return the diagram of a graph with the statuses of its *steps*; None if it is too large.

    :param calls: how often tools were called is shown.
    """
    known = {step.node_id: step for step in steps}
    reads = [(source, task.id) for task in graph.tasks for source in task.context]
    # If no task reads another one's output, show the order.
    edges = reads or [*itertools.pairwise(task.id for task in graph.tasks)]
    places = _most_legible(tuple(task.id for task in graph.tasks), tuple(edges))
    if places is None:
        return None
    used = Counter((call.step, call.name) for call in calls if call.kind == CallKind.TOOL)
    crew = place_crew(graph, places)
    return Drawing(
        width=max(places.width, crew.width),
        height=places.height + crew.height,
        boxes=tuple(
            _box(graph, index, task, known.get(task.id), places.of(task.id), used)
            for index, task in enumerate(graph.tasks)
        ),
        arrows=tuple(
            Arrow(places.path(edge), bool(reads), _is_completed(known.get(edge[0])))
            for edge in edges
        ),
        size=places.size,
        crew=crew,
    )


@functools.lru_cache(maxsize=64)
def _most_legible(tasks: tuple[str, ...], edges: tuple[Edge, ...]) -> Places | None:
    """Return the layout that is shown the largest, of equal ones the first; None if too large.

    Pages that update themselves ask again and again for the same graph.
    """
    if len(tasks) > _MAX_TASKS or make_columns(tasks, edges).lanes > _MAX_LANES:
        return None
    return max(_candidates(tasks, edges), key=_scale)


def _scale(places: Places) -> float:
    """Return how large a layout is shown in the card; 1 if it fits."""
    return min(1.0, _CARD[0] / places.width, _CARD[1] / places.height)


def _candidates(tasks: Sequence[str], edges: Sequence[Edge]) -> Iterator[Places]:
    for fold in _FOLDS:
        columns = make_columns(tasks, edges, fold)
        columns.sort()
        yield from _rows_of(columns, NORMAL)
        yield from _rows_of(columns, COMPACT)


def _rows_of(columns: Columns, size: BoxSize) -> Iterator[Places]:
    """Yield the layouts from one row of all columns to rows of one."""
    count = len(columns.slots)
    yield Places(columns, size, count)
    for per_row in range(min(count - 1, _MAX_ROW), 0, -1):
        yield Places(columns, size, per_row)


def _is_completed(step: StepMixin | None) -> bool:
    return step is not None and step.status in STEP_DONE


def _box(
    graph: Graph,
    index: int,
    task: TaskNode,
    step: StepMixin | None,
    place: tuple[float, float],
    used: Mapping[tuple[int | None, str], int],
) -> Box:
    own = {name: count for (position, name), count in used.items() if position == index}
    resources = _resources(graph, task, own)
    return Box(
        position=index,
        x=place[0],
        y=place[1],
        name=task.name,
        lines=wrapped(task.name, _NAME_COLUMNS),
        agent=(step.agent if step else None) or agent_of(graph, task),
        status=step.status if step else StepStatus.PENDING,
        labels=_labels(resources),
        resources=tuple(" ".join(each) for each in resources),
    )


def agent_of(graph: Graph, task: TaskNode) -> str:
    """Return the role of the agent that does a task, if the graph names one."""
    roles = {agent.id: agent.role for agent in graph.agents}
    return roles[task.agent_id] if task.agent_id else "chosen by the manager"


def _labels(wanted: Sequence[tuple[str, str]]) -> tuple[Label, ...]:
    """Return as many labels of a task as fit, and how many more there are."""
    labels: list[Label] = []
    x = 0.0
    for index, (kind, text) in enumerate(wanted):
        label = _label(kind, fitted(text, 18), x)
        is_last = index == len(wanted) - 1
        if x + label.width > (NORMAL.width - 28) - (0 if is_last else 34):
            return (*labels, _label("more", f"+{len(wanted) - index}", x))
        labels.append(label)
        x += label.width + 5
    return tuple(labels)


def _label(kind: str, text: str, x: float) -> Label:
    return Label(kind, text, x, round(width_of(text) * _LETTER + 14, 1))


def _resources(graph: Graph, task: TaskNode, used: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the model of a task, its tools, and others that were called, as for delegation."""
    agent = next((agent for agent in graph.agents if agent.id == task.agent_id), None)
    tools = dict.fromkeys([*task.tools, *(agent.tools if agent else ()), *used])
    model = [] if agent is None else [agent.llm.name if agent.llm else DEFAULT_MODEL]
    counted = (f"{name} {_TIMES}{used[name]}" if name in used else name for name in tools)
    return [*(("model", name) for name in model), *(("tool", name) for name in counted)]
