"""Results of benchmarks: ours and a reference, measured alternately, and their target ratio."""

from __future__ import annotations

import statistics
import typing as t
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

T = t.TypeVar("T")


@dataclass(frozen=True)
class Profile:
    """How much is measured, and where servers may write."""

    full: bool
    folder: Path
    """Empty folder for logs and data, which is removed at the end."""

    def pick(self, quick: T, full: T) -> T:
        """Return the value for this profile."""
        return full if self.full else quick


@dataclass(frozen=True)
class Target:
    """Target of a figure."""

    limit: float
    better: t.Literal["higher", "lower"]
    of: t.Literal["ratio", "ours"] = "ratio"
    """What is compared: ours divided by the reference, or ours itself."""

    def is_reached(self, value: float) -> bool:
        return value >= self.limit if self.better == "higher" else value <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.better == "higher" else "≤"
        return f"{sign} {self.limit:g}{' x' if self.of == 'ratio' else ''}"


@dataclass(frozen=True)
class Figure:
    """A quantity that was measured in several rounds."""

    name: str
    unit: str
    """Such as ``crews/s``; a rate ends with ``/s``."""
    ours: Sequence[float]
    """One value for each round."""
    reference: Sequence[float]
    reference_name: str
    target: Target | None = None
    note: str = ""
    """What readers must know to interpret it."""

    @property
    def our_median(self) -> float:
        return statistics.median(self.ours)

    @property
    def reference_median(self) -> float:
        return statistics.median(self.reference)

    @property
    def ratio(self) -> float:
        return self.our_median / self.reference_median

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        return self.target.is_reached(self.ratio if self.target.of == "ratio" else self.our_median)


def alternate(
    rounds: int, ours: Callable[[], T], reference: Callable[[], T]
) -> tuple[list[T], list[T]]:
    """Run both alternately and return their results.

    Each round swaps the order, so that a drift of the machine's speed affects both equally.
    """
    our_results: list[T] = []
    reference_results: list[T] = []
    measures = [(ours, our_results), (reference, reference_results)]
    for _ in range(rounds):
        for measure, results in measures:
            results.append(measure())
        measures.reverse()
    return our_results, reference_results
