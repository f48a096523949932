"""What CrewAI's command line creates is imported and runs on real workers."""

from __future__ import annotations

import pytest

from support.graphs.crewai_projects import create_project
from support.graphs.crewai_projects import created_by_crewai

WAIT = 30


def queue(api, graph_id, **inputs):
    answer = api("POST", "/executions", json={"graph_id": graph_id, "inputs": inputs})
    assert answer.status_code == 202, answer.json
    return answer.json["id"]


def texts(call):
    """Everything that a model was told."""
    return "\n".join(str(message["content"]) for message in call.body["messages"])


@pytest.mark.postgresql
def test_a_project_over_the_command_line(app, api, model, start_worker, tmp_path):
    project = create_project(tmp_path)
    command = ["crewexec", "graphs", "import", project, "--user", api.user]
    imported = app.test_cli_runner().invoke(args=[str(word) for word in command])
    assert imported.exit_code == 0, imported.output
    noted = [line.split(": ")[1] for line in imported.stderr.splitlines()[:-1]]
    assert noted == ["crew.jsonc/verbose", "crew.jsonc/memory", "agents/researcher.jsonc/llm"]
    (graph,) = api("GET", "/graphs").json["graphs"]
    model.on("Research current AI trends", "Crews everywhere")
    id = queue(api, graph["id"])
    start_worker()
    status = api.status(id, wait=WAIT)
    assert (status["status"], status["result"]["raw"]) == ("completed", "Crews everywhere")
    (step,) = status["steps"]
    assert (step["name"], step["agent"]) == ("research_task", "Senior Researcher")
    (call,) = model.calls
    assert call.body["model"] == "gpt-4o-mini"  # the host's "default" instead of "openai/gpt-4o"
    assert "A concise markdown report" in texts(call)
    assert "You are an experienced researcher" in texts(call)


@pytest.mark.sqlite_enough
def test_classic_files_over_http(api, model, start_worker, tmp_path):
    files = created_by_crewai(tmp_path, "--classic")
    body = {"format": "crewai-yaml", "files": files, "name": "Reports"}
    imported = api("POST", "/graphs/import", json=body)
    assert (imported.status_code, imported.json["notes"]) == (201, [])
    model.on("thorough research about tea", "Tea is a plant")
    model.on("expand each topic", "# Tea")
    id = queue(api, imported.json["id"], topic="tea", current_year=2026)
    start_worker(pool="threads")
    status = api.status(id, wait=WAIT)
    assert (status["status"], status["result"]["raw"]) == ("completed", "# Tea")
    agents = [(step["name"], step["agent"]) for step in status["steps"]]
    assert agents == [
        ("research_task", "tea Senior Data Researcher"),
        ("reporting_task", "tea Reporting Analyst"),
    ]
    first, second = model.calls
    assert "the current year is 2026" in texts(first)
    assert "Tea is a plant" in second.prompt
    assert "{topic}" not in texts(first) + texts(second)
