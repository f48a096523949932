"""Columns of a layered drawing, from left to right, by the longest path to each task.

An arrow that skips columns has a lane in each of them, so that it crosses no task. Arrows of one
task share their lanes, and so do arrows to one.
"""

from __future__ import annotations

import itertools
import typing as t
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

_SWEEPS: t.Final = 4

Slot = tuple[str, ...]
"""An item of a column: a task, ``(task,)``, or a lane, ``(task, "from")`` or ``(task, "to")``."""
Place = tuple[int, Slot]
"""A slot in the column of this number."""
Neighbours = dict[Place, list[Place]]
Edge = tuple[str, str]


@dataclass
class Columns:
    """The columns with their slots, from top to bottom."""

    slots: list[list[Slot]]
    depths: Mapping[str, int]
    """Number of the column of each task."""
    routes: Mapping[Edge, list[Place]]
    """The slots through which each arrow passes, with its ends."""

    @property
    def lanes(self) -> int:
        """How many columns arrows pass on their way."""
        return sum(len(route) - 2 for route in self.routes.values())

    def sort(self) -> None:
        """Sort each column by the mean position of the neighbours, so that few arrows cross."""
        joined = self._neighbours()
        indices = range(len(self.slots))
        for sweep in range(_SWEEPS):
            side = -1 if sweep % 2 == 0 else 1
            for depth in indices if side < 0 else reversed(indices):
                self._sort_column(depth, side, joined)

    def _neighbours(self) -> Neighbours:
        """Return the slots to which each slot is connected in the adjacent columns."""
        joined: Neighbours = {}
        for route in self.routes.values():
            for here, there in itertools.pairwise(route):
                joined.setdefault(here, []).append(there)
                joined.setdefault(there, []).append(here)
        return joined

    def _sort_column(self, depth: int, side: int, joined: Neighbours) -> None:
        adjacent = depth + side
        if not 0 <= adjacent < len(self.slots):
            return
        rows = {slot: row for row, slot in enumerate(self.slots[adjacent])}

        def mean_row(row_and_slot: tuple[int, Slot]) -> float:
            row, slot = row_and_slot
            near = [rows[other] for at, other in joined.get((depth, slot), ()) if at == adjacent]
            return sum(near) / len(near) if near else float(row)

        by_row = sorted(enumerate(self.slots[depth]), key=mean_row)
        self.slots[depth] = [slot for _, slot in by_row]


def make_columns(tasks: Sequence[str], edges: Sequence[Edge], fold: int | None = None) -> Columns:
    """Return the columns of *tasks*, which are in the order of execution.

    :param fold: how many tasks a column may have before the others are in one of their own.
    """
    depths = _depths(tasks, edges)
    if fold is not None:
        depths = _folded(depths, fold)
    routes = {edge: route for edge, route in _routes(depths, edges)}
    slots: list[dict[Slot, None]] = [{} for _ in range(1 + max(depths.values()))]
    for task, depth in depths.items():
        slots[depth][task,] = None
    for depth, slot in itertools.chain.from_iterable(routes.values()):
        slots[depth][slot] = None
    return Columns([[*column] for column in slots], depths, routes)


def _depths(tasks: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    sources: dict[str, list[str]] = {task: [] for task in tasks}
    for source, target in edges:
        sources[target].append(source)
    depths: dict[str, int] = {}
    for task, before in sources.items():
        depths[task] = 1 + max((depths[source] for source in before), default=-1)
    return depths


def _folded(depths: Mapping[str, int], fold: int) -> dict[str, int]:
    """Return the depths with the tasks of tall columns in several, one after the other."""
    counts = Counter(depths.values())
    widths = [-(-counts[depth] // fold) for depth in sorted(counts)]
    first = [0, *itertools.accumulate(widths)]
    seen: Counter[int] = Counter()
    folded = {}
    for task, depth in depths.items():
        folded[task] = first[depth] + seen[depth] // fold
        seen[depth] += 1
    return folded


def _routes(depths: Mapping[str, int], edges: Sequence[Edge]) -> Iterator[tuple[Edge, list[Place]]]:
    outgoing = Counter(source for source, _ in edges)
    incoming = Counter(target for _, target in edges)
    for source, target in edges:
        is_shared_by_source = outgoing[source] >= incoming[target]
        lane = (source, "from") if is_shared_by_source else (target, "to")
        between = [(depth, lane) for depth in range(depths[source] + 1, depths[target])]
        ends = (depths[source], (source,)), (depths[target], (target,))
        yield (source, target), [ends[0], *between, ends[1]]
