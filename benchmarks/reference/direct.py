"""Crews without any service: builds and kicks off one after the other in one process.

``python -m benchmarks.reference.direct URL`` reads lines ``number tasks`` from its input, runs so
many crews of so many tasks with the model at the URL, and prints the seconds that they took.
"""

from __future__ import annotations

import sys
import time

from ..workload import definition
from ..workload import mark
from .crews import build_crew


def run(number: int, tasks: int, model_url: str) -> float:
    """Return the seconds for so many crews."""
    plan = definition(tasks)
    began = time.perf_counter()
    for _ in range(number):
        build_crew(plan, model_url).kickoff(inputs={"topic": mark()})
    return time.perf_counter() - began


def main() -> None:
    """Answer each line of the input."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever CrewAI prints is no answer
    for line in sys.stdin:
        number, tasks = map(int, line.split())
        print(run(number, tasks, sys.argv[1]), file=answers, flush=True)


if __name__ == "__main__":
    main()
