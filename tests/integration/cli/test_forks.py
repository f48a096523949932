"""``flask crewexec fork`` and ``compare``, and the limits of ``retry``."""

from __future__ import annotations

import json

import pytest

from support.graphs import documents
from support.in_process import run

OPTIONS = {"max_llm_calls": 3, "max_tool_calls": 4, "max_tokens": 5_000, "timeout": 60.5}


@pytest.fixture
def command(app):
    """Run a command of the group ``crewexec`` and return its result."""
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["crewexec", *arguments])


@pytest.fixture
def done(api, model):
    model.on("Do b", "BETA").on("Do a", "ALPHA")
    document = documents.with_data(documents.chain("a", "b"), "b", description="Do b {topic}")
    id = api.queue(document, inputs={"topic": "tea"})
    assert run(id) == "completed"
    return id


def options():
    return [
        word
        for name, value in OPTIONS.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]


def newest(api):
    return api("GET", "/executions").json["executions"][0]


class TestFork:
    def test_says_what_becomes_of_each_step(self, command, api, done):
        result = command("fork", done, "--from-step", "b", *options())
        assert result.exit_code == 0, result.output
        forked = newest(api)
        assert result.stdout.splitlines() == [
            f"Execution {forked['id']} is queued.",
            "1. reused: a",
            "2. runs: b (It is 'from_step', or follows it.)",
        ]
        assert forked["forked_from"] == done
        assert forked["limits"] == OPTIONS
        shown = command("status", forked["id"]).stdout
        assert f"Fork of    {done}" in shown
        assert "Step       1. completed (reused): a, by Writer" in shown

    def test_outputs_inputs_and_the_latest_version(self, command, api, done):
        graph = api.status(done)["graph_id"]
        api("PUT", f"/graphs/{graph}", json=documents.chain("a", "b", "c"))
        changes = ("--output", "a", "OTHER", "--input", "topic", "honey", "--input", "n", "5")
        result = command("fork", done, "--latest", *changes, "--json")
        assert result.exit_code == 0, result.output
        forked = json.loads(result.stdout)
        assert [step["step"] for step in forked["steps"]] == ["a", "b", "c"]
        assert forked["execution"]["steps"][0]["output"] == "OTHER"
        assert forked["execution"]["inputs"] == {"topic": "honey", "n": 5}
        assert forked["execution"]["graph_version"] == 2

    def test_errors_are_one_line(self, command, done):
        result = command("fork", done, "--from-step", "x")
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line == "Error: The version that the fork runs has no such step."


class TestCompare:
    def test_shows_what_differs(self, command, api, model, done):
        command("fork", done, "--output", "a", "OTHER\x1b[2J", "--input", "topic", "honey")
        assert "control character" in command("fork", done, "--output", "a", "\x1b").stderr
        command("fork", done, "--output", "a", "OTHER", "--input", "topic", "honey")
        other = newest(api)["id"]
        assert run(other) == "completed"
        result = command("compare", done, other)
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert "Status: completed -> completed" in lines
        assert "Llm calls: 2 -> 1" in lines
        assert 'Input: topic: "tea" -> "honey"' in lines
        assert lines[-6:] == [
            "Output of a:",
            "    @@ -1 +1 @@",
            "    -ALPHA",
            "    +OTHER",
            "Output of b: the same",
            "Result: the same",
        ]

    def test_as_json(self, command, api, done):
        found = json.loads(command("compare", done, done, "--json").stdout)
        assert found == api("GET", f"/executions/{done}/compare/{done}").json


def test_retry_takes_limits(command, api, model):
    model.on("Do b", "BETA").on("Do a", "ALPHA")
    id = api.queue(documents.chain("a", "b"), max_llm_calls=1)
    assert run(id) == "failed"
    result = command("retry", id, *options())
    assert result.stdout == "The execution is queued as attempt 2.\n"
    assert api.status(id)["limits"] == OPTIONS
    assert run(id, attempt=2) == "completed"
    assert api.status(id)["usage"]["llm_calls"] == 2
