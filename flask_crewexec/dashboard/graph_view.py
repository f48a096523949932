"""A graph as its page shows it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from ..graphs import Graph
from ..graphs import TaskNode
from ..identity import Identity
from ..models import GraphMixin
from ..models import GraphVersionMixin
from ..services.graph_changes import StoredGraph
from .graph_layout import agent_of
from .graph_layout import draw
from .graph_layout import Drawing
from .graph_layout import manager_of
from .queries import parse_stored


class TaskView(t.NamedTuple):
    """A task in the list below the drawing."""

    task: TaskNode
    agent: str
    reads: Sequence[str]
    """Names of the tasks whose outputs it reads."""


@dataclass(frozen=True, kw_only=True)
class CrewView:
    """What a valid document describes."""

    drawing: Drawing | None
    """None if it is too large."""
    tasks: Sequence[TaskView]
    manager: str | None
    coworkers: Sequence[str]
    """Roles of agents without a task."""

    @classmethod
    def of(cls, graph: Graph) -> CrewView:
        names: Mapping[str, str] = {task.id: task.name for task in graph.tasks}
        return cls(
            drawing=draw(graph, ()),
            tasks=[
                TaskView(task, agent_of(graph, task), [names[id] for id in task.context])
                for task in graph.tasks
            ],
            manager=manager_of(graph),
            coworkers=[agent.role for agent in graph.coworkers],
        )


@dataclass(frozen=True, kw_only=True)
class GraphView:
    """A stored graph with one version."""

    graph: GraphMixin
    version: GraphVersionMixin
    crew: CrewView | None
    """None if the document is not valid under the current rules."""
    is_owner: bool

    @classmethod
    def of(cls, stored: StoredGraph, requester: Identity) -> GraphView:
        parsed = parse_stored(stored.version.document)
        return cls(
            graph=stored.graph,
            version=stored.version,
            crew=None if parsed is None else CrewView.of(parsed),
            is_owner=stored.graph.owner_id == requester.user_id,
        )

    @property
    def is_newest(self) -> bool:
        """Whether executions would run this version."""
        return self.version.number == self.graph.latest_version
