"""Let crews run while faults are injected, and check what handlers and webhooks were told of it.

One webhook answers as it likes: it fails, hangs, drips, redirects, or asks to wait. Another one is
gone, and a third is removed while deliveries wait for it. Workers, the broker and the database
crash as in :mod:`benchmarks.chaos`. The time of long pauses between tries is skipped.

Run it from a clone with the test dependencies::

    python -m benchmarks.chaos_of_deliveries --executions 1000
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import logging
import os
import random
import sys
import tempfile
import threading
import time
import typing as t
import uuid
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from flask_crewexec.notifications.signing import secret_of
from flask_crewexec.schemas.notifications import notification_type

from .chaos import FaultInjector
from .chaos import Options
from .chaos import queue_all
from .chaos import reconciling
from .chaos import Report
from .chaos import start_system
from .chaos import System
from .chaos import table_of

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.api_client import Api
from support.servers.webhook_receiver import Answer
from support.servers.webhook_receiver import drip
from support.servers.webhook_receiver import Handler
from support.servers.webhook_receiver import hang
from support.servers.webhook_receiver import Message
from support.servers.webhook_receiver import reply
from support.servers.webhook_receiver import WebhookReceiver

VARIABLES = {
    "TOLD": "*",
    "HOST_SECRET_KEY": "a key of these tests",
    "HOST_CREWEXEC_WEBHOOKS": "true",
    "HOST_CREWEXEC_WEBHOOK_NETWORKS": json.dumps(["127.0.0.0/8"]),
    "HOST_CREWEXEC_NOTIFICATION_TIMEOUT": "1.0",
}
OWNER = "ada"
MAX_FAILURES = 3
"""After so many answers that were no success, the webhook accepts a notification."""
LEASE_SECONDS = 20.0
"""More than any claim of a delivery lasts; what is due later waits for another try."""
SKIP_LONG_PAUSES = sa.text(
    "UPDATE crewexec_delivery SET due_at = now() WHERE status = 'waiting'"
    f" AND due_at > now() + interval '{LEASE_SECONDS:g} s'"
)
Told = tuple[str, str]
"""Id and type of a notification."""


@dataclasses.dataclass
class Findings:
    """What was told, and what was wrong with it."""

    executions: int = 0
    deliveries: int = 0
    requests: int = 0
    """What the webhook that answers as it likes has received."""
    requests_not_accepted: int = 0
    repeated_after_acceptance: int = 0
    """A worker was killed before it had stored the answer."""
    calls_of_the_handler: int = 0
    repeated_calls: int = 0
    violations: list[str] = dataclasses.field(default_factory=list)


class Moody:
    """Answers as it likes, but accepts each notification after some failures."""

    def __init__(self, seed: int) -> None:
        self.accepted: list[str] = []
        """Ids of the notifications that were accepted, in order."""
        self.secret = ""
        self.forged: list[str] = []
        """Ids of those whose signature does not hold."""
        self.failures: defaultdict[str, int] = defaultdict(int)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._others: tuple[Answer, ...] = (
            reply(500),
            reply(429, Retry_After="1"),
            reply(302, Location="http://169.254.169.254/"),
            hang,
            drip,
        )

    def answer(self, handler: Handler) -> None:
        """Answer one request."""
        id = str(handler.headers["webhook-id"])
        messages = reversed(handler.receiver.messages)
        message = next(each for each in messages if each.headers["webhook-id"] == id)
        if not message.is_signed_with(self.secret):
            self.forged.append(id)
        with self._lock:
            fails = self.failures[id] < MAX_FAILURES and self._random.random() < 0.3
            chosen = self._random.choice(self._others) if fails else reply(204)
            if fails:
                self.failures[id] += 1
            else:
                self.accepted.append(id)
        chosen(handler)


class Webhooks(t.NamedTuple):
    """The ids of the webhooks."""

    moody: str
    gone: str
    removed: str


def run(options: Options, folder: Path) -> tuple[Findings, Report]:
    """Run the executions, and return what was found and which faults were injected."""
    report, findings = Report(options.executions), Findings(options.executions)
    mood = Moody(options.seed)
    with (
        start_system(options, folder) as system,
        WebhookReceiver() as moody,
        WebhookReceiver() as gone,
        WebhookReceiver() as removed,
    ):
        moody.answer, gone.answer, removed.answer = mood.answer, reply(410), reply(503)
        api = Api(system.app.test_client(), OWNER)
        hooks = Webhooks(*(add_webhook(api, each.url) for each in (moody, gone, removed)))
        with system.app.app_context():
            mood.secret = secret_of(uuid.UUID(hooks.moody), 1)
        queue_all(system.app, options)
        deadline = time.monotonic() + options.seconds
        with (
            reconciling(system.app, report),
            skipping_pauses(system),
            FaultInjector(system, options, report) as faults,
        ):
            remove = functools.cache(lambda: remove_webhook(api, hooks.removed))
            faults.inject_until(lambda: remove() or all_told(system) or time.monotonic() > deadline)
        with system.app.app_context():
            Audit(system, findings, hooks, mood).run(moody.messages)
    return findings, report


def add_webhook(api: Api, url: str) -> str:
    """Add a webhook that is told everything."""
    answer = api("POST", "/webhooks", json={"url": url, "events": ["*"]})
    if answer.status_code != 201:
        raise RuntimeError(answer.text)
    return t.cast(str, answer.json["id"])


def remove_webhook(api: Api, id: str) -> bool:
    """Remove a webhook, for which deliveries wait; return False."""
    answer = api("DELETE", f"/webhooks/{id}")
    if answer.status_code != 204:
        raise RuntimeError(answer.text)
    return False


@contextlib.contextmanager
def skipping_pauses(system: System) -> Iterator[None]:
    """Let long pauses between tries end soon, as if time had passed."""
    stopped = threading.Event()

    def skip() -> None:
        while not stopped.wait(1.0):
            with (
                contextlib.suppress(sa.exc.OperationalError),
                system.app.app_context(),
                system.app.extensions["sqlalchemy"].engine.begin() as connection,
            ):
                connection.execute(SKIP_LONG_PAUSES)

    thread = threading.Thread(target=skip, name="time")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def all_told(system: System) -> bool:
    """Return whether all executions have ended, and no delivery waits."""
    delivery = system.models.delivery
    waiting = sa.select(delivery.seq).where(delivery.status == "waiting").limit(1)
    return system.all_ended() and not system.rows(waiting)


class Audit:
    """Compares what was told with what has happened."""

    def __init__(self, system: System, findings: Findings, hooks: Webhooks, mood: Moody) -> None:
        self._system = system
        self._findings = findings
        self._hooks = hooks
        self._mood = mood
        self._happened = self._read_history()

    def _read_history(self) -> dict[str, list[Told]]:
        """Return what is to be told of each execution, in order."""
        event = self._system.models.event
        query = sa.select(event.execution_id, event.seq, event.type, event.data)
        found: dict[str, list[Told]] = defaultdict(list)
        for id, seq, type, data in self._system.rows(query.order_by(event.execution_id, event.seq)):
            told = notification_type(type, data)
            if told is not None:
                found[str(id)].append((f"{id}.{seq}", told))
        return found

    def run(self, messages: Sequence[Message]) -> None:
        """Complete the findings."""
        self._check_executions()
        self._check_rows()
        self._check_bodies(messages)
        types = {message.headers["webhook-id"]: message.type for message in messages}
        self._check_order("webhook", [(id, types[id]) for id in self._mood.accepted])
        notes = self._system.rows(sa.text("select text from note order by id"))
        calls = [t.cast(Told, tuple(row.text.split())) for row in notes]
        self._check_order("handler", calls)
        self._count(messages, calls)

    def _violated(self, what: str) -> None:
        self._findings.violations.append(what)

    def _check_executions(self) -> None:
        execution = self._system.models.execution
        for id, status in self._system.rows(sa.select(execution.id, execution.status)):
            if status != "completed":
                self._violated(f"Execution {id} is '{status}'")

    def _check_rows(self) -> None:
        """Check that nothing waits, and that nobody is told what he does not want any more."""
        delivery, webhook = self._system.models.delivery, self._system.models.webhook
        query = sa.select(delivery.receiver, delivery.status, sa.func.count())
        rows = self._system.rows(query.group_by(delivery.receiver, delivery.status))
        self._findings.deliveries = sum(count for *_, count in rows)
        for receiver, status, count in rows:
            refuses = receiver.endswith((self._hooks.gone, self._hooks.removed))
            if status != ("failed" if refuses else "delivered"):
                self._violated(f"{count} deliveries to {receiver} are '{status}'")
        gone = sa.select(webhook.enabled).where(webhook.id == uuid.UUID(self._hooks.gone))
        if self._system.rows(gone) != [(False,)]:
            self._violated("The webhook that is gone is still switched on")

    def _check_bodies(self, messages: Sequence[Message]) -> None:
        """Check that each notification had one content, and a signature that holds."""
        for id in self._mood.forged:
            self._violated(f"{id} had a wrong signature")
        bodies: dict[str, str] = {}
        for message in messages:
            id = message.headers["webhook-id"]
            if bodies.setdefault(id, message.body) != message.body:
                self._violated(f"{id} had several contents")

    def _check_order(self, receiver: str, told: Sequence[Told]) -> None:
        """Check that a receiver was told everything, in order, and nothing else."""
        by_execution: dict[str, dict[Told, None]] = defaultdict(dict)
        for each in told:
            by_execution[each[0].partition(".")[0]].setdefault(each)
        for id, expected in self._happened.items():
            found = [*by_execution.pop(id, {})]
            if found != expected:
                self._violated(f"The {receiver} was told {found} instead of {expected}")
        if by_execution:
            self._violated(f"The {receiver} was told of {[*by_execution]}, which do not exist")

    def _count(self, messages: Sequence[Message], calls: Sequence[Told]) -> None:
        accepted = self._mood.accepted
        self._findings.requests = len(messages)
        self._findings.requests_not_accepted = sum(self._mood.failures.values())
        self._findings.repeated_after_acceptance = len(accepted) - len({*accepted})
        self._findings.calls_of_the_handler = len(calls)
        self._findings.repeated_calls = len(calls) - len({*calls})


def main(environment: Mapping[str, str] = VARIABLES) -> int:
    """Run the command line; return 1 if there was a violation."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m benchmarks.chaos_of_deliveries"
    )
    parser.add_argument("--executions", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=1_800.0, help="time limit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", type=Path, help="folder for the logs")
    given = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    os.environ.update(environment)
    with tempfile.TemporaryDirectory(prefix="crewexec-deliveries-") as temporary:
        folder = given.logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        options = Options(given.executions, given.seconds, given.seed, model_delay=0.05)
        findings, report = run(options, folder)
    print(f"{report}\n\n{table_of(findings)}")
    return 1 if findings.violations or report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
