"""Write figures as a table and as JSON."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from .figures import Figure

HEAD = ("figure", "ours", "reference", "ratio", "target", "reached")


def table(figures: Sequence[Figure]) -> str:
    """Return one line for each figure, followed by the notes."""
    rows = [HEAD, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in rows]  # fmt: skip
    lines.insert(1, "-" * max(map(len, lines)))
    notes = [f"{figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _row(figure: Figure) -> tuple[str, ...]:
    reached = {True: "yes", False: "NO", None: ""}[figure.reached]
    return (
        figure.name,
        f"{_number(figure.our_median)} {figure.unit}",
        f"{_number(figure.reference_median)} {figure.unit} ({figure.reference_name})",
        f"{figure.ratio:.3g}",
        str(figure.target or ""),
        reached,
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write_json(
    path: Path,
    figures: Sequence[Figure],
    machine: Mapping[str, t.Any],
    profile: str,
    failures: Mapping[str, str],
) -> None:
    """Write all results, including those of each round."""
    content = {
        "machine": machine,
        "profile": profile,
        "figures": [_as_json(figure) for figure in figures],
        "failed": failures,
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def _as_json(figure: Figure) -> dict[str, t.Any]:
    medians = {"our_median": figure.our_median, "reference_median": figure.reference_median}
    verdict = {"ratio": figure.ratio, "reached": figure.reached}
    return {**dataclasses.asdict(figure), **medians, **verdict}
