"""``flask crewexec queue``, ``workers``, ``usage`` and ``graphs list``."""

from __future__ import annotations

import json

import pytest

from support.graphs import documents
from support.in_process import change
from support.in_process import insert_worker
from support.in_process import run


@pytest.fixture
def command(app):
    """Run a command of the group ``crewexec`` and return what it has printed."""
    runner = app.test_cli_runner()

    def invoke(*arguments):
        result = runner.invoke(args=["crewexec", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke


def cells(line):
    return line.split()


def test_queue_counts_messages_and_what_is_on_hold(app, api, command):
    insert_worker(app)
    api.queue(documents.chain("a"), priority=2)
    header, *rows = command("queue").splitlines()
    assert cells(header) == ["QUEUE", *map(str, range(1, 11)), "ALL"]
    counts = {cells(row)[0]: cells(row) for row in rows}
    assert counts["crew_execution"][2] == counts["crew_execution"][-1] == "1"
    assert json.loads(command("queue", "--json"))["crew_execution"]["2"] == 1


@pytest.mark.parametrize("broker_url", ["redis://127.0.0.1:9"])
def test_queue_says_why_it_cannot_tell(app, broker_url):
    result = app.test_cli_runner().invoke(args=["crewexec", "queue"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_workers_are_alive_or_silent(app, command):
    assert command("workers").split() == [
        *("WORKER", "STATE", "SEEN", "POOL", "BUSY", "SLOTS", "QUEUES")
    ]
    insert_worker(app, slots=3)
    row = cells(command("workers").splitlines()[1])
    assert row[:2] == ["w@host", "running"]
    assert row[-3:] == ["threads", "3", "crew_execution"]
    (told,) = json.loads(command("workers", "--json"))
    assert (told["alive"], told["concurrency"]) == (True, 3)


def test_usage_is_by_user_and_day(api, stranger, command, model):
    model.on("Do a", "done", times=2)
    for user in (api, stranger):
        id = user.queue(documents.chain("a"))
        run(id)
        change(id, cost_nanos=500_000_000)
    lines = command("usage").splitlines()
    assert {cells(line)[1] for line in lines[1:]} == {"ada", "mallory"}
    assert all(line.endswith("0.50 USD") for line in lines[1:])
    (only,) = command("usage", "--user=ada").splitlines()[1:]
    assert cells(only)[1:5] == ["ada", "1", "0", "1"]
    assert command("usage", "--until=2020-01-01").splitlines()[1:] == []
    assert json.loads(command("usage", "--user=ada", "--json"))[0]["usage"]["llm_calls"] == 1


@pytest.mark.parametrize(("by", "name"), [("graph", "test crew"), ("model", "gpt-4o-mini")])
def test_usage_by_graph_or_model(api, command, model, by, name):
    model.on("Do a", "done")
    run(api.queue(documents.chain("a")))
    header, line = command("usage", f"--by={by}").splitlines()
    assert header.split()[1] == by.upper()
    assert name in line
    (row,) = json.loads(command("usage", f"--by={by}", "--json"))
    assert row["graph_name" if by == "graph" else "model"] == name


def test_graphs_are_listed_newest_first(api, stranger, command):
    first, second = api.graph(documents.chain("a")), stranger.graph(documents.chain("b"))
    assert [cells(line)[0] for line in command("graphs", "list").splitlines()[1:]] == [
        second,
        first,
    ]
    (mine,) = command("graphs", "list", "--user=ada").splitlines()[1:]
    assert cells(mine) == [first, "test", "crew", "1", "ada"]
    assert command("graphs", "list", "--archived").splitlines()[1:] == []
