"""Charts of throughput and latency, ours and the reference."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from .figures import Figure

DURATIONS = frozenset({"s", "ms", "µs"})


def draw(figures: Sequence[Figure], folder: Path) -> None:
    """Write ``throughput.png`` and ``latency.png``, unless they would be empty."""
    throughput = [figure for figure in figures if figure.unit.endswith("/s")]
    latency = [figure for figure in figures if figure.unit in DURATIONS]
    for name, chosen in (("throughput", throughput), ("latency", latency)):
        if chosen:
            _draw(chosen, folder / f"{name}.png")


def _draw(figures: Sequence[Figure], path: Path) -> None:
    """Draw each figure on a scale of its own."""
    height = 1.2 * len(figures) + 0.4
    canvas, grid = pyplot.subplots(len(figures), figsize=(9, height), squeeze=False)
    for axes, figure in zip(grid[:, 0], figures, strict=True):
        _draw_one(axes, figure)
    canvas.tight_layout()
    canvas.savefig(path, dpi=120)
    pyplot.close(canvas)


def _draw_one(axes: t.Any, figure: Figure) -> None:
    """Draw a bar for each median, and a dot for each round."""
    names = [figure.reference_name, "ours"]
    axes.barh(names, [figure.reference_median, figure.our_median], color=["#b0b0b0", "#3366cc"])
    for name, rounds in zip(names, (figure.reference, figure.ours), strict=True):
        axes.plot(rounds, [name] * len(rounds), "k.", markersize=4)
    axes.set_title(f"{figure.name} ({figure.unit})", fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
