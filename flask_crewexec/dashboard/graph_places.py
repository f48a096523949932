"""Where slots are drawn: their columns are in one row or, as the lines of a text, in several."""

from __future__ import annotations

import functools
import itertools
import typing as t
from collections.abc import Sequence

from .graph_columns import Columns
from .graph_columns import Edge
from .graph_columns import Place
from .graph_columns import Slot

_LANE: t.Final = 10
_MARGIN: t.Final = 8
_TRACK: t.Final = 8
"""Distance between arrows that lead from one row to the next."""
_BEND: t.Final = 12
"""Distance of the first of these arrows from boxes."""
_ARROWHEAD: t.Final = 5


class BoxSize(t.NamedTuple):
    """The size of boxes, and the gaps between them."""

    width: int
    height: int
    gap_x: int
    gap_y: int


NORMAL: t.Final = BoxSize(216, 96, 64, 26)
COMPACT: t.Final = BoxSize(184, 52, 40, 18)


class Places:
    """The positions of slots, with *per_row* columns in each row."""

    def __init__(self, columns: Columns, size: BoxSize, per_row: int) -> None:
        self.size = size
        self._columns = columns
        self._per_row = per_row
        slots = columns.slots
        self._rows = [slots[at : at + per_row] for at in range(0, len(slots), per_row)]
        self._heights = [max(map(self._height_of, row)) for row in self._rows]
        self._tracks = [self._find_tracks(at) for at in range(1, len(self._rows))]
        widest = max(map(len, self._tracks), default=0)
        self._side = self._reach(widest) if self._tracks else 0
        """Room for arrows on the left and on the right of all rows."""
        self._tops = [_MARGIN]
        for height, tracks in zip(self._heights, self._tracks, strict=False):
            gap = self._reach(len(tracks)) + size.gap_y
            self._tops.append(self._tops[-1] + int(height + gap))

    @property
    def width(self) -> float:
        """Width of the drawing."""
        boxes = self._per_row * (self.size.width + self.size.gap_x) - self.size.gap_x
        return 2 * (_MARGIN + self._side) + boxes

    @property
    def height(self) -> float:
        """Height of the drawing."""
        return self._tops[-1] + self._heights[-1] + _MARGIN

    def of(self, task: str) -> tuple[float, float]:
        """Return the upper left corner of a task."""
        return self._corners[self._columns.depths[task], (task,)]

    def path(self, edge: Edge) -> str:
        """Return the SVG path of an arrow."""
        route = self._columns.routes[edge]
        x, y = self._right_of(route[0])
        parts = [f"M{x:g} {y:g}"]
        for here, there in itertools.pairwise(route):
            is_end = there is route[-1]
            parts.append(self._line(here, there, _ARROWHEAD if is_end else 0))
            parts += [] if is_end else [f"h{self.size.width}"]
        return " ".join(parts)

    def _line(self, here: Place, there: Place, short: int) -> str:
        """Return the part of a path from one slot to the next, shorter by room for its head."""
        (x, y), (to_x, to_y) = self._right_of(here), self._left_of(there)
        row = here[0] // self._per_row
        if row == there[0] // self._per_row:
            bend, end = (x + to_x) / 2, to_x - short
            return f"C{bend:g} {y:g} {bend:g} {to_y:g} {end:g} {to_y:g}"
        track, last = self._tracks[row][here[1]], len(self._tracks[row]) - 1
        out, back = self._reach(track), self._reach(last - track)
        below = self._tops[row] + self._heights[row] + out
        return f"H{x + out:g} V{below:g} H{to_x - back:g} V{to_y:g} H{to_x - short:g}"

    @functools.cached_property
    def _corners(self) -> dict[Place, tuple[float, float]]:
        corners: dict[Place, tuple[float, float]] = {}
        for depth, column in enumerate(self._columns.slots):
            row, at = divmod(depth, self._per_row)
            x = _MARGIN + self._side + at * (self.size.width + self.size.gap_x)
            y = self._tops[row] + (self._heights[row] - self._height_of(column)) / 2
            for slot in column:
                corners[depth, slot] = (x, y)
                y += self._slot_height(slot) + self.size.gap_y
        return corners

    def _find_tracks(self, row: int) -> dict[Slot, int]:
        """Return the tracks of arrows into a row from above, by the slots that they come from."""
        last = row * self._per_row - 1
        crossing = dict.fromkeys(
            place[1]
            for route in self._columns.routes.values()
            for place in route[:-1]
            if place[0] == last
        )
        return {slot: number for number, slot in enumerate(crossing)}

    @staticmethod
    def _reach(tracks: int) -> int:
        """Return how far from boxes the track of a number is, or so many tracks reach."""
        return _BEND + tracks * _TRACK

    def _left_of(self, place: Place) -> tuple[float, float]:
        x, y = self._corners[place]
        return x, y + self._slot_height(place[1]) / 2

    def _right_of(self, place: Place) -> tuple[float, float]:
        x, y = self._left_of(place)
        return x + self.size.width, y

    def _height_of(self, column: Sequence[Slot]) -> float:
        gaps = self.size.gap_y * (len(column) - 1)
        return sum(map(self._slot_height, column)) + gaps

    def _slot_height(self, slot: Slot) -> int:
        return self.size.height if len(slot) == 1 else _LANE
