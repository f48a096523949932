"""What slow receivers cost: crews that run while webhooks hang, and without webhooks.

Each crew has two tasks, and each model call takes half a second. All deliveries are due while the
crews run, and none succeeds.
"""

from __future__ import annotations

import functools
import json
import time

import httpx
import sqlalchemy as sa

from support.servers.processes import ServerProcess
from support.servers.webhook_receiver import hang
from support.servers.webhook_receiver import WebhookReceiver

from .contenders import Client
from .contenders import Ours
from .contenders import ring
from .contenders import USER
from .figures import alternate
from .figures import Figure
from .figures import Profile
from .figures import Target
from .footprint import frozen

TARGET = Target(1.05, "lower")
CREWS = 60
TASKS = 2
LATENCY = 0.5
SLOTS = 20
VARIABLES = {
    "HOST_SECRET_KEY": "a key of these benchmarks",
    "HOST_CREWEXEC_WEBHOOKS": "true",
    "HOST_CREWEXEC_WEBHOOK_NETWORKS": json.dumps(["127.0.0.0/8"]),
    "HOST_CREWEXEC_NOTIFICATION_TIMEOUT": "2.0",
}


def measure(profile: Profile) -> list[Figure]:
    """Measure the time until all crews are finished, with and without receivers that hang."""
    with ring(profile.folder) as services, WebhookReceiver() as receiver:
        ours = services.ours
        ours.environment.update(VARIABLES)
        receiver.answer = hang
        with ours.web() as web, ours.client(web) as client:
            (worker,) = ours.workers([("threads", SLOTS)])
            with worker:
                graph = client.graph(TASKS)
                services.model.reset(LATENCY)
                webhook = _add_webhook(f"{web.url}{ours.prefix}", receiver.url)
                run = functools.partial(_run, ours, client, graph, worker)
                told = functools.partial(run, webhook, enabled=True)
                untold = functools.partial(run, webhook, enabled=False)
                untold()  # imports and compiles what is needed
                rounds = alternate(profile.pick(3, 7), told, untold)
    name = f"{CREWS} crews of {TASKS} calls of {LATENCY:g} s, webhooks hang"
    return [Figure(name, "s", *rounds, "no webhooks", TARGET)]


def _add_webhook(url: str, receiver: str) -> str:
    """Add a webhook, and return its URL."""
    headers = {"X-User": USER}
    body = {"url": receiver, "events": ["*"]}
    answer = httpx.post(f"{url}/webhooks", json=body, headers=headers, timeout=10)
    return f"{url}/webhooks/{answer.raise_for_status().json()['id']}"


def _run(
    ours: Ours,
    client: Client,
    graph: str,
    worker: ServerProcess,
    webhook: str,
    *,
    enabled: bool,
) -> float:
    """Run all crews and return the seconds that they took."""
    _switch(ours, webhook, enabled)
    before = ours.finished().number
    with frozen([worker]):
        for _ in range(CREWS):
            client.queue(graph)
        start = time.time()
    return ours.wait_for(before + CREWS) - start


def _switch(ours: Ours, webhook: str, enabled: bool) -> None:
    """Switch the webhook on or off, and forget what is to be told."""
    headers = {"X-User": USER}
    answer = httpx.patch(webhook, json={"enabled": enabled}, headers=headers, timeout=10)
    answer.raise_for_status()
    with ours.engine.connect() as connection:
        connection.execute(sa.text("DELETE FROM crewexec_delivery"))
