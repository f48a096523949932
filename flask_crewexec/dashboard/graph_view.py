"""A graph as its page shows it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import CrewExecError
from ..errors import InvalidGraph
from ..errors import Problem
from ..graphs import check_use
from ..graphs import Graph
from ..graphs import Permissions
from ..graphs import TaskNode
from ..identity import Identity
from ..models import GraphMixin
from ..models import GraphVersionMixin
from ..registry.registry import Registry
from ..services.graph_changes import StoredGraph
from ..storage.ownership import belongs_to
from .graph_crew import manager_of
from .graph_layout import agent_of
from .graph_layout import draw
from .graph_layout import Drawing
from .queries import parse_stored
from .run_form import RunForm


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
    blockers: Sequence[Problem]
    """Why the version cannot be run at present, although it is valid."""
    form: RunForm | None
    """None if this version cannot be run, or not by this user."""

    @classmethod
    def of(
        cls,
        stored: StoredGraph,
        requester: Identity,
        registry: Registry,
        entered: Mapping[str, str],
        error: CrewExecError | None,
    ) -> GraphView:
        """Return the view, with what was entered into the form and why it was refused."""
        graph, version = stored
        parsed = parse_stored(version.document)
        is_owner = belongs_to(graph, requester)
        blockers = find_blockers(parsed, registry.permissions_for(requester.roles))
        form = None
        if parsed and is_owner and not blockers and version.number == graph.latest_version:
            storages = sorted(registry.storages)
            form = RunForm(graph=parsed, storages=storages, entered=entered, error=error)
        return cls(
            graph=graph,
            version=version,
            crew=None if parsed is None else CrewView.of(parsed),
            is_owner=is_owner,
            blockers=blockers,
            form=form,
        )

    @property
    def is_newest(self) -> bool:
        """Whether executions would run this version."""
        return self.version.number == self.graph.latest_version


def find_blockers(graph: Graph | None, permissions: Permissions) -> Sequence[Problem]:
    """Return which names of a graph its user may not use, or the host no longer has."""
    try:
        if graph is not None:
            check_use(graph, permissions)
    except InvalidGraph as error:
        return error.problems
    return ()
