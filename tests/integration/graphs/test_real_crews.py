"""Crews as people have them run to their end on a worker, and in CrewAI after an export."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from flask_crewexec.graphs.exporters import export_crewai
from support.graphs.real_crews import NAMES
from support.graphs.real_crews import real_crew
from support.in_process import run
from support.input_requests import answer

pytestmark = pytest.mark.sqlite_enough

WAIT = 60
ANSWER = re.compile(r"ANSWER=(\{.*\})")


def reply(body):
    """Answer as the description asks; judge everything as valid."""
    texts = [str(message["content"]) for message in body["messages"]]
    if "judge" in texts[0] or "guardrail" in texts[0].lower():
        return '{"valid": true, "feedback": null}'
    asked = ANSWER.search("\n".join(texts[-1:]))
    return asked[1] if asked else "It is done, all of it.\nREADY"


def imported(api, name):
    crew = real_crew(name)
    query = "?accept=unguarded" if crew.case.get("accept") else ""
    body = {"format": crew.format, "files": crew.files, **crew.options}
    answer = api("POST", f"/graphs/import{query}", json=body)
    assert answer.status_code == 201, (name, answer.json)
    return answer.json


def queued(api, name):
    order = {"graph_id": imported(api, name)["id"], "inputs": real_crew(name).case["inputs"]}
    answer = api("POST", "/executions", json=order)
    assert answer.status_code == 202, (name, answer.json)
    return answer.json["id"]


def end_of(api, id):
    """Wait for the end; a person approves whatever the crew asks."""
    status = api.status(id, wait=WAIT)
    while status["status"] == "waiting_input":
        answer(api, id, "approve")
        status = api.status(id, wait=WAIT)
    return status


def test_all_of_them_run_to_their_end(api, model, start_worker):
    model.on(reply=reply)
    ids = {name: queued(api, name) for name in NAMES}
    start_worker(pool="threads")
    statuses = {name: end_of(api, id) for name, id in ids.items()}
    failed = {name: each["error"] for name, each in statuses.items() if each["error"]}
    assert failed == {}
    assert {each["status"] for each in statuses.values()} == {"completed"}
    skipped = {name for name, each in statuses.items() if not each["result"]["raw"]}
    assert skipped == set()


def test_a_crew_that_checks_needs_consent(api):
    for name in NAMES:
        crew = real_crew(name)
        if crew.case.get("accept"):
            body = {"format": crew.format, "files": crew.files, **crew.options}
            answer = api("POST", "/graphs/import", json=body)
            assert (answer.status_code, answer.json["code"]) == (422, "import-not-accepted")


KICKOFF = """
import json, os, sys
from crewai.project.crew_loader import load_crew
from crewai.project.json_loader import validate_crew_project
from pathlib import Path
for folder, inputs in json.loads(sys.argv[1]):
    os.chdir(folder)
    validate_crew_project(Path("crew.jsonc"))
    crew, defaults = load_crew(Path("crew.jsonc"))
    print(crew.kickoff(inputs={**defaults, **inputs}).raw)
"""
RUNS = (
    "scaffold",
    "coworker",
    "manager_agent",
    "json_defaults",
    "json_guardrail_of_an_agent",
    "output_classes",
    "parallel",
    "tools_in_code",
)
"""Crews that need nothing of the host but tools, which they do not call."""


def test_what_is_exported_runs_in_crewai(api, model, tmp_path):
    model.on(reply=reply)
    projects = []
    for name in RUNS:
        exported = export_crewai(imported(api, name)["document"])
        for file, text in exported.files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        projects.append([str(tmp_path / name), real_crew(name).case["inputs"]])
    switches = {
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_TRACING_ENABLED": "false",
        "OPENAI_API_KEY": model.key,
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_MODEL_NAME": "gpt-4o-mini",
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-c", KICKOFF, json.dumps(projects)],
        env=switches,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(model.calls) >= len(RUNS)


def test_a_coworker_without_a_task_does_what_it_is_asked(api, model):
    work = {"task": "Paint a cat", "context": "For a book", "coworker": "Painter"}
    model.on("Write it", tool=("delegate_work_to_coworker", work), after_tool=False)
    model.on("Paint a cat", "A cat in blue")
    model.on(after_tool=True, reply="A book with a cat")
    id = queued(api, "coworker")
    assert run(id) == "completed"
    status = api.status(id)
    assert status["result"]["raw"] == "A book with a cat"
    assert [step["agent"] for step in status["steps"]] == ["Author"]
    (painted,) = [call for call in model.calls if "Paint a cat" in call.prompt]
    assert "Painter" in str(painted.body["messages"][0])
