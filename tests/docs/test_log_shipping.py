"""Lines of a worker as they are shipped: what they have, and what they never have."""

from __future__ import annotations

import json
import typing as t

import pytest

from support.deploy_files import read_yaml
from support.graphs import documents
from support.servers.processes import wait_until

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.settings(LOG_FORMAT="json")]

PRIVATE = {"input": "PRIVATE-INPUT", "answer": "PRIVATE-ANSWER", "goal": "PRIVATE-GOAL"}
PROGRAM: str = read_yaml("vector/vector.yaml")["transforms"]["parsed"]["source"]


@pytest.fixture
def lines(api, model, start_worker) -> list[str]:
    """What a worker logs about a run."""
    model.on("Do a", PRIVATE["answer"])
    worker = start_worker(pool="threads")
    document = documents.chain("a")
    document["nodes"][0]["data"]["goal"] = f"{PRIVATE['goal']} {{topic}}"
    body = {"graph_id": api.graph(document), "inputs": {"topic": PRIVATE["input"]}}
    execution = api("POST", "/executions", json=body, headers={"X-Request-ID": "web-7"})
    assert api.ended(execution.json["id"])["status"] == "completed"
    assert any(PRIVATE["input"] in str(call.body) for call in model.calls)
    wait_until(lambda: "succeeded in" in worker.log_text(), what="the end of the task")
    return [line for line in worker.log_text().splitlines() if line.startswith("{")]


def test_lines_of_a_run_tell_what_they_belong_to_and_nothing_of_what_was_said(lines):
    of_run = [line for line in map(json.loads, lines) if "execution_id" in line]
    assert of_run
    for line in of_run:
        assert {"time", "level", "logger", "message", "attempt"} <= line.keys()
        assert (line["user_id"], line["request_id"]) == ("ada", "web-7")
    assert not [text for text in PRIVATE.values() if text in "\n".join(lines)]


def test_vector_takes_them_apart(lines):
    vrl: t.Any = pytest.importorskip(
        "vector_vrl", reason="Vector's language comes with the package vector-vrl, on Python 3.12"
    )
    events = [json.dumps({"message": line}) for line in [*lines, "no JSON", "3"]]
    *ours, text, number = vrl.execute_vrl(PROGRAM, events)
    for line, event in zip(map(json.loads, lines), ours, strict=True):
        assert line.items() <= event.items()
        assert str(event["timestamp"]).startswith(line["time"].replace("T", " ")[:19])
    assert (text["message"], number["message"]) == ("no JSON", "3")
    assert text["level"] == "INFO"
