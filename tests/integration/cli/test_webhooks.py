"""``flask crewexec webhooks …``."""

from __future__ import annotations

import json

import pytest

from support.deliveries import deliver
from support.graphs import documents
from support.in_process import run
from support.servers.webhook_receiver import reply
from support.servers.webhook_receiver import WebhookReceiver

pytestmark = [
    pytest.mark.sqlite_enough,
    pytest.mark.settings(WEBHOOKS=True, WEBHOOK_NETWORKS=["127.0.0.0/8"]),
]


@pytest.fixture
def receiver():
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def command(app):
    """Run a command of the group, and return what it prints."""
    runner = app.test_cli_runner()

    def invoke(*arguments, code=0):
        result = runner.invoke(args=["crewexec", "webhooks", *arguments])
        assert result.exit_code == code, result.output
        return result.output

    return invoke


def complete(api, model):
    model.on("Do a", "ALPHA")
    id = api.queue(documents.chain("a"))
    assert run(id) == "completed"
    return id


def test_add_list_and_remove(command, receiver):
    id, secret = command("add", "ada", f"{receiver.url}?token", "--event", "step.*").split()
    assert secret.startswith("whsec_")
    line = command("list").splitlines()[1]
    assert line.split() == [id, "on", "0", "127.0.0.1", "ada", "step.*"]
    assert command("list", "--user", "eve").count("\n") == 1
    assert json.loads(command("list", "--user", "ada", "--json"))[0]["id"] == id
    command("remove", id)
    assert "There is no webhook" in command("remove", id, code=1)


def test_urls_that_are_refused(command):
    assert "https" in command("add", "ada", "ftp://127.0.0.1/", code=1)


def test_rotate(command, receiver):
    id, old = command("add", "ada", receiver.url).split()
    assert command("rotate", id).strip() not in ("", old)


def test_try_one(command, receiver):
    id, secret = command("add", "ada", receiver.url).split()
    assert command("test", id).startswith("delivered: 204 (")
    assert receiver.messages[0].is_signed_with(secret)
    receiver.answer = reply(500)
    assert command("test", id, code=1).startswith("not delivered: 500 refused (")


def test_what_was_not_told_is_shown_and_sent_again(command, api, model, app, receiver):
    host = app.extensions["crewexec_host"]
    told = []

    @host.on("execution.completed", name="host")
    def fail_at_first(notification):
        told.append(notification.id)
        if len(told) <= 10:
            raise RuntimeError

    id, _ = command("add", "ada", receiver.url).split()
    receiver.answer = reply(410)
    complete(api, model)
    deliver()
    waiting = command("deliveries", "handler:host", "--status", "waiting").splitlines()[1:]
    assert [line.split()[1] for line in waiting] == ["handler:host"]
    while deliver():
        pass
    shown = command("deliveries", "--failed").splitlines()[1:]
    assert [line.split()[1] for line in shown] == [f"webhook:{id}", "handler:host"]
    assert "410 gone" in shown[0]
    assert command("deliveries", id, "--failed").splitlines()[1:] == shown[:1]
    event = shown[1].split()[0]
    assert command("resend", "handler:host", event) == "It is sent again.\n"
    assert deliver() == 1
    assert told == [event] * 11
    again = command("resend", f"webhook:{id}", "--since", "2001-01-01")
    assert again == "1 deliveries are sent again.\n"
    assert "waits" in command("resend", f"webhook:{id}", event, code=1)
    assert command("deliveries", "--failed").count("\n") == 1


@pytest.mark.parametrize("arguments", [["deliveries"], ["resend", "handler:host"]])
def test_what_is_missing_is_named(command, arguments):
    assert "Name" in command(*arguments, code=2)
