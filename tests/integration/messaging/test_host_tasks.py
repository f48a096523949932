"""The host's own tasks with priorities, between processes with and without the extension."""

from __future__ import annotations

import json

import pytest

from support.graphs import documents
from support.host_app.mails import new_plain
from support.host_app.mails import QUEUE
from support.host_app.mails import TASK
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough

PRIORITIES = (0, 2, 5, 6, 9)
"""Of Celery; the host has a list for some of them only."""

both_layouts = pytest.mark.parametrize(
    "layout", [{}, {"sep": ":", "priority_steps": [0, 5]}], ids=["kombus", "the-hosts"]
)


@pytest.fixture
def environment(environment, layout):
    celery = {"broker_transport_options": layout, "task_create_missing_queues": True}
    return {**environment, "HOST_CELERY": json.dumps(celery)}


@pytest.fixture
def plain(app):
    """A Celery app of the host without the extension."""
    with new_plain() as celery:
        yield celery


def send(celery):
    return [
        celery.send_task(TASK, (f"{priority}",), queue=QUEUE, priority=priority)
        for priority in PRIORITIES
    ]


def answers(sent):
    return [each.get(timeout=30) for each in sent]


def statuses(api, ids):
    return {api.status(id)["status"] for id in ids}


ALL_SENT = [f"sent to {priority}" for priority in PRIORITIES]


@both_layouts
def test_our_worker_runs_what_a_plain_producer_has_sent(app, plain, start_worker, api, model):
    start_worker(
        app="support.host_app.mail_worker",
        pool="threads",
        queues=("crew_execution", QUEUE),
    )
    assert answers(send(plain)) == ALL_SENT
    ids = [api.queue(documents.chain("a"), priority=priority) for priority in (1, 4, 10)]
    wait_until(lambda: statuses(api, ids) == {"completed"}, what="the executions")


@both_layouts
def test_a_plain_worker_runs_what_a_producer_with_the_extension_has_sent(app, plain, start_worker):
    ours = app.extensions["celery"]
    start_worker(app="support.host_app.plain_worker", queues=(QUEUE,), fork_server=None)
    assert answers(send(ours)) == ALL_SENT


@pytest.mark.parametrize("layout", [{}])
def test_messages_of_both_kinds_are_counted_once(app):
    ours = app.extensions["celery"]
    send(ours)
    with ours.connection_for_read() as connection:
        assert connection.default_channel.queue_declare(QUEUE, passive=True).message_count == 5
        assert connection.default_channel.queue_purge(QUEUE) == 5
