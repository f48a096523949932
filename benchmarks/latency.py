"""Time from a submission to the first model call, on an idle worker.

It starts before the submission is sent over HTTP, and ends when the model receives the call.
"""

from __future__ import annotations

import contextlib
import functools
import statistics
import time
from collections.abc import Iterator

from .contenders import Client
from .contenders import Contender
from .contenders import ModelProcess
from .contenders import ring
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target

TARGET = Target(0.65, "lower")


class Submitter:
    """Submits executions one after the other, each after the end of the previous one."""

    def __init__(self, contender: Contender, model: ModelProcess, client: Client) -> None:
        self._contender = contender
        self._model = model
        self._client = client
        self._graph = functools.cache(client.graph)

    def median(self, number: int, agents: int) -> float:
        """Return the median time of *number* submissions, in milliseconds."""
        return statistics.median(self._one(self._graph(agents)) for _ in range(number))

    def _one(self, graph: str) -> float:
        before = self._contender.finished().number
        start = time.time()
        topic = self._client.queue(graph)
        self._contender.wait_for(before + 1)
        first_call: float = self._model.calls()["first_calls"][topic]
        return (first_call - start) * 1000


@contextlib.contextmanager
def submitter(contender: Contender, model: ModelProcess) -> Iterator[Submitter]:
    """Start a web server and a worker with one process in its pool."""
    with (
        contender.web() as web,
        contender.client(web) as client,
        contender.worker(pool="prefork", concurrency=1),
    ):
        yield Submitter(contender, model, client)


def measure(profile: Profile) -> list[Figure]:
    """Return the time to the first call with one agent and with five."""
    with (
        ring(profile.folder) as (ours, plain, model),
        submitter(ours, model) as to_ours,
        submitter(plain, model) as to_plain,
    ):
        return [_compare(profile, agents, to_ours, to_plain) for agents in (1, 5)]


def _compare(profile: Profile, agents: int, ours: Submitter, plain: Submitter) -> Figure:
    number, rounds = profile.pick(5, 15), profile.pick(5, 9)
    for each in (ours, plain):
        each.median(5, agents)
    medians = alternate(
        rounds, lambda: ours.median(number, agents), lambda: plain.median(number, agents)
    )
    name = f"submission to first model call, {agents} agent{'s' if agents > 1 else ''}"
    note = f"Each round is the median of {number} submissions."
    return Figure(name, "ms", *medians, "plain service, prefork -c 1", TARGET, note)
