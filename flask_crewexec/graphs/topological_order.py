"""Execution order and cycles of tasks."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from collections.abc import Sequence
from graphlib import CycleError
from graphlib import TopologicalSorter

Dependencies = Mapping[str, Sequence[str]]
"""Task id -> ids of the tasks before it; the keys are in document order."""


def has_cycle(dependencies: Dependencies) -> bool:
    """Return whether tasks wait for each other."""
    return bool(_find_cycle(dependencies))


def find_cycles(dependencies: Dependencies) -> list[list[str]]:
    """Return cycles that share no task, each beginning with its first task in document order."""
    cycles = []
    while cycle := _find_cycle(dependencies):
        cycles.append(cycle)
        dependencies = {
            task: [other for other in before if other not in cycle]
            for task, before in dependencies.items()
        }
    return cycles


def _find_cycle(dependencies: Dependencies) -> list[str]:
    try:
        TopologicalSorter(dependencies).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1][1:]
        first = cycle.index(next(task for task in dependencies if task in cycle))
        return cycle[first:] + cycle[:first]
    return []


def execution_order(dependencies: Dependencies) -> list[str]:
    """Return the task ids in topological order, otherwise in document order."""
    position = {task: index for index, task in enumerate(dependencies)}
    sorter = TopologicalSorter(dependencies)
    sorter.prepare()
    ready: list[tuple[int, str]] = []
    ordered = []
    while sorter.is_active():
        for task in sorter.get_ready():
            heapq.heappush(ready, (position[task], task))
        _, task = heapq.heappop(ready)
        ordered.append(task)
        sorter.done(task)
    return ordered
