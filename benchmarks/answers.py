"""Time from an answer of a person to the next model call, and of a submission to its first one.

Both start before the request is sent over HTTP, and end when the model receives the call. They use
the same crew on the same idle worker; in one of them a person reviews the first task.
"""

from __future__ import annotations

import functools
import time

import sqlalchemy as sa

from .contenders import Client
from .contenders import ModelProcess
from .contenders import Ours
from .contenders import ring
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target
from .latency import Submitter
from .workload import reviewed

TARGET = Target(1.5, "lower")
TASKS = 2
_OPEN = (
    "SELECT request.id FROM crewexec_input_request AS request JOIN crewexec_execution AS execution"
    " ON execution.id = request.execution_id"
    " WHERE request.status = 'open' AND execution.status = 'waiting_input'"
)
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.02


class Answerer:
    """Lets crews run until they wait for a person, and answers."""

    def __init__(self, ours: Ours, model: ModelProcess, client: Client) -> None:
        self._ours = ours
        self._model = model
        self._client = client
        self._graph = functools.cache(lambda: client.store(reviewed(TASKS)))

    def one(self) -> float:
        """Return the time from an answer to the next model call, in milliseconds."""
        before = self._ours.finished().number
        topic = self._client.queue(self._graph())
        request = self._open_request()
        start = time.time()
        self._client.approve(request)
        self._ours.wait_for(before + 1)
        next_call: float = self._model.calls()["last_calls"][topic]
        return (next_call - start) * 1000

    def _open_request(self) -> str:
        """Wait until an execution waits for a person, and return the id of what it asks."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            with self._ours.engine.connect() as connection:
                found = connection.execute(sa.text(_OPEN)).scalar()
            if found is not None:
                return str(found)
            time.sleep(_POLL_SECONDS)
        raise TimeoutError("The crew asks nobody.")


def measure(profile: Profile) -> list[Figure]:
    """Compare the answers to requests with submissions of the same crew without a review."""
    with (
        ring(profile.folder) as (ours, _, model),
        ours.web() as web,
        ours.client(web) as client,
        ours.worker(pool="prefork", concurrency=1),
    ):
        answerer, submitter = Answerer(ours, model, client), Submitter(ours, model, client)
        turns = (answerer.one, functools.partial(submitter.median, 1, TASKS))
        for turn in turns * profile.pick(3, 5):
            turn()
        answers, submissions = alternate(profile.pick(30, 100), *turns)
    note = f"{len(answers)} pairs, one after the other."
    names = ("answer to next model call", "ms", answers, submissions)
    return [Figure(*names, "submission to first model call", TARGET, note)]
