"""Crews from elsewhere over HTTP."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from support.in_process import run
from support.input_requests import answer
from support.input_requests import open_request

pytestmark = pytest.mark.libraries

WRITER = """{
  // What `crewai create crew` writes has comments
  "role": "Writer", "goal": "Write about {topic}", "backstory": "Writes.",
  "llm": "openai/gpt-4o",
  "tools": ["CountWords"],
  "settings": {"verbose": false, "allow_delegation": false,}
}"""
CREW = """{
  "name": "Page", "agents": ["writer"], "process": "sequential", "memory": true,
  "tasks": [
    {"name": "facts", "description": "Tell facts about {topic}", "expected_output": "A list",
     "agent": "writer"},
    {"name": "title", "description": "Find a title", "expected_output": "A line",
     "agent": "writer", "context": ["facts"]}, // the last one
  ],
}"""
FILES = {"crew.jsonc": CREW, "agents/writer.jsonc": WRITER}
AGENTS_YAML = "ann:\n  role: >\n    {topic} Expert\n  goal: Help\n  backstory: Old\n"
TASKS_YAML = "do:\n  description: Tell about {topic}\n  expected_output: Text\n  agent: ann\n"


def send(api, query="", format="crewai", files=FILES, **more):
    body = {"format": format, "files": files, **more}
    return api("POST", f"/graphs/import{query}", json=body)


def queue(api, answer, **inputs):
    assert answer.status_code == 201, answer.json
    order = {"graph_id": answer.json["id"], "inputs": inputs}
    return api("POST", "/executions", json=order).json["id"]


class TestRunning:
    def test_a_crew_of_crewai_runs_to_its_end(self, api, model):
        model.on("Tell facts about tea", "Tea is a plant.")
        model.on("Find a title", "All about tea")
        id = queue(api, send(api), topic="tea")
        assert run(id) == "completed"
        status = api.status(id)
        assert status["result"]["raw"] == "All about tea"
        assert [step["name"] for step in status["steps"]] == ["facts", "title"]
        (_, second) = model.calls
        assert "Tea is a plant." in second.prompt

    def test_a_classic_crew_runs_to_its_end(self, api, model):
        model.on("Tell about tea", "Tea is a plant.")
        files = {"agents.yaml": AGENTS_YAML, "tasks.yaml": TASKS_YAML}
        id = queue(api, send(api, format="crewai-yaml", files=files), topic="tea")
        assert run(id) == "completed"
        status = api.status(id)
        assert status["result"]["raw"] == "Tea is a plant."
        assert status["steps"][0]["agent"] == "tea Expert"


REVIEWED_TASKS_YAML = f"{TASKS_YAML}  human_input: true\n"
CREW_PY = """
from crewai import Agent, Crew, Process, Task
from crewai.project import CrewBase, agent, crew, task

@CrewBase
class Desk:
    agents_config = "config/agents.yaml"
    tasks_config = "config/tasks.yaml"

    @agent
    def ann(self) -> Agent:
        return Agent(config=self.agents_config["ann"])

    @task
    def do(self) -> Task:
        return Task(config=self.tasks_config["do"]HUMAN_INPUT)

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, process=Process.sequential)
"""


def project(tasks_yaml, argument=""):
    """The files of a project of CrewAI."""
    return {
        "src/desk/crew.py": CREW_PY.replace("HUMAN_INPUT", argument),
        "src/desk/config/agents.yaml": AGENTS_YAML,
        "src/desk/config/tasks.yaml": tasks_yaml,
    }


@pytest.mark.parametrize(
    ("format", "files"),
    [
        (
            "crewai-yaml",
            {"agents.yaml": AGENTS_YAML, "tasks.yaml": REVIEWED_TASKS_YAML},
        ),
        ("crewai", project(REVIEWED_TASKS_YAML)),
        ("crewai", project(TASKS_YAML, ", human_input=True")),
    ],
    ids=["YAML", "project", "code"],
)
class TestHumanInput:
    """A crew that asks people in its terminal asks them here, without a change."""

    def test_asks_and_goes_on_with_what_people_say(self, api, model, format, files):
        model.on("name the plant", "Camellia").on("Tell about tea", "Tea is a plant.")
        imported = send(api, format=format, files=files)
        assert "human_input" not in str(imported.json["notes"])
        id = queue(api, imported, topic="tea")
        assert run(id) == "waiting_input"
        assert open_request(api, id)["draft"] == {"text": "Tea is a plant."}
        answer(api, id, "change", text="name the plant")
        assert run(id) == "waiting_input"
        assert open_request(api, id)["draft"] == {"text": "Camellia"}
        answer(api, id, "approve")
        assert run(id) == "completed"
        assert api.status(id)["result"]["raw"] == "Camellia"
        assert len(model.calls) == 2

    def test_ends_where_people_reject(self, api, model, format, files):
        id = queue(api, send(api, format=format, files=files), topic="tea")
        run(id)
        answer(api, id, "reject", text="no")
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "rejected-by-reviewer"
        assert len(model.calls) == 1


@pytest.mark.sqlite_enough
class TestImporting:
    def test_answers_with_the_stored_graph_and_what_is_left_out(self, api):
        answer = send(api)
        assert answer.status_code == 201
        assert answer.headers["Location"].endswith(f"/graphs/{answer.json['id']}")
        stored = api("GET", f"/graphs/{answer.json['id']}").json
        notes = answer.json["notes"]
        summary = answer.json["summary"]
        assert answer.json == {**stored, "notes": notes, "summary": summary}
        assert [(note["file"], note["pointer"], note["code"]) for note in notes] == [
            ("crew.jsonc", "/memory", "left-out"),
            ("agents/writer.jsonc", "/llm", "model-replaced"),
        ]
        tools = [node for node in stored["document"]["nodes"] if node["type"] == "tool"]
        assert [tool["data"]["name"] for tool in tools] == ["count_words"]
        assert {note["severity"] for note in notes} == {"changed"}
        assert summary == "1 agent, 2 tasks; 2 notes change behaviour"

    def test_missing_checks_need_consent(self, api):
        files = {
            **FILES,
            "crew.jsonc": CREW.replace('"name": "facts"', '"name": "facts", "guardrail": 7'),
        }
        refused = send(api, files=files)
        assert (refused.status_code, refused.json["code"]) == (422, "import-not-accepted")
        (error,) = refused.json["errors"]
        assert (error["pointer"], error["code"]) == (
            "/files/crew.jsonc/tasks/0/guardrail",
            "guardrail-left-out",
        )
        assert len(refused.json["notes"]) == 3
        assert send(api, "/preview", files=files).status_code == 200
        assert api("GET", "/graphs").json["graphs"] == []
        assert send(api, "?accept=unguarded", files=files).status_code == 201

    def test_changes_can_be_refused(self, api):
        refused = send(api, "?strict=true&accept=unguarded")
        assert refused.status_code == 422
        assert [error["code"] for error in refused.json["errors"]] == ["left-out", "model-replaced"]

    def test_what_is_left_out_is_told_with_every_problem(self, api):
        refused = send(api, files={**FILES, "crew.jsonc": CREW.replace("Find a title", " ")})
        assert [error["code"] for error in refused.json["errors"]] == ["blank"]
        assert [note["code"] for note in refused.json["notes"]] == ["left-out", "model-replaced"]

    def test_a_dry_run_stores_nothing(self, api):
        answer = send(api, "/preview")
        assert answer.status_code == 200
        assert answer.json.keys() == {"document", "notes", "summary"}
        assert api("GET", "/graphs").json["graphs"] == []
        assert send(api).json["document"] == answer.json["document"]

    def test_names_can_be_mapped(self, api):
        answer = send(api, models={"openai/gpt-4o": "streaming"}, tools={"CountWords": "say"})
        names = [node["data"].get("name") for node in answer.json["document"]["nodes"]]
        assert {"streaming", "say"} <= {*names}
        assert [note["code"] for note in answer.json["notes"]] == ["left-out"]

    def test_a_registered_model_is_found_by_what_its_provider_calls_it(self, api):
        files = {**FILES, "agents/writer.jsonc": WRITER.replace("gpt-4o", "gpt-4o-mini")}
        nodes = send(api, files=files).json["document"]["nodes"]
        assert [node["data"] for node in nodes if node["type"] == "llm"] == [{"name": "default"}]

    def test_tools_must_be_registered(self, api):
        files = {**FILES, "agents/writer.jsonc": WRITER.replace("CountWords", "SerperDevTool")}
        answer = send(api, files=files)
        assert answer.status_code == 422
        (error,) = answer.json["errors"]
        assert error["pointer"] == "/files/agents~1writer.jsonc/tools/0"
        assert error["code"] == "unknown-tool"
        assert '"count_words"' in error["detail"]

    def test_what_is_not_registered_is_refused_and_nothing_is_stored(self, api):
        files = {**FILES, "agents/writer.jsonc": WRITER.replace('"CountWords"', '"custom:x"')}
        answer = send(api, files=files)
        assert (answer.status_code, answer.json["code"]) == (422, "invalid-graph")
        assert [error["code"] for error in answer.json["errors"]] == ["unknown-tool"]
        assert api("GET", "/graphs").json["graphs"] == []

    @pytest.mark.parametrize(
        ("more", "pointer"),
        [
            ({"format": "pickle"}, "/format"),
            ({"files": "crew.jsonc"}, "/files"),
            ({"files": {}}, "/files"),
            ({"files": {"crew.jsonc": 5}}, "/files/crew.jsonc"),
            ({"path": "/etc"}, "/path"),
            ({"order": "a"}, "/order"),
            ({"tools": {"a": 5}}, "/tools/a/value"),
            ({"process": "x"}, "/process"),
        ],
    )
    def test_requests_that_are_refused(self, api, more, pointer):
        answer = send(api, **more)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]

    def test_a_stranger_does_not_see_it(self, api, stranger):
        id = send(api).json["id"]
        assert stranger("GET", f"/graphs/{id}").status_code == 404


@pytest.mark.sqlite_enough
class TestArchives:
    @staticmethod
    def zipped(files):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return content.getvalue()

    def send(self, api, content, **options):
        form = {"project": (io.BytesIO(content), "x.zip"), "options": json.dumps(options)}
        return api("POST", "/graphs/import", data=form)

    def test_of_projects(self, api):
        files = {f"my_crew-main/{name}": text for name, text in FILES.items()}
        files |= {"my_crew-main/README.md": "no UTF-8: \xff", "my_crew-main/.venv/x.py": "("}
        answer = self.send(api, self.zipped(files), models={"openai/gpt-4o": "streaming"})
        assert answer.status_code == 201, answer.json
        assert [note["code"] for note in answer.json["notes"]] == ["left-out"]

    @pytest.mark.parametrize(
        "files",
        [
            {"crew.jsonc": "x" * 4_000_001},
            {f"{at}.py": "" for at in range(201)},
            {"crew.jsonc": b"\xff"},
        ],
    )
    def test_that_are_too_much(self, api, files):
        answer = self.send(api, self.zipped(files))
        assert answer.status_code == 422
        assert [error["code"] for error in answer.json["errors"]] == ["invalid-archive"]

    def test_that_are_none(self, api):
        assert self.send(api, b"PK no").json["errors"][0]["code"] == "invalid-archive"
        answer = api("POST", "/graphs/import", data={"x": (io.BytesIO(b""), "x")})
        assert answer.json["errors"][0]["code"] == "invalid-archive"

    @pytest.mark.parametrize("options", ["", "{", "[]"])
    def test_with_options_that_are_none(self, api, options):
        form = {"project": (io.BytesIO(self.zipped(FILES)), "x.zip"), "options": options}
        answer = api("POST", "/graphs/import", data=form)
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"] == "/options"

    def test_that_are_damaged(self, api):
        content = bytearray(self.zipped({"crew.jsonc": "damaged " * 1000}))
        content[45:50] = b"\xff" * 5
        assert self.send(api, bytes(content)).json["errors"][0]["code"] == "invalid-archive"


@pytest.mark.sqlite_enough
class TestAccess:
    def test_nobody_is_refused(self, client):
        answer = client.post("/crewexec/graphs/import", json={"format": "crewai", "files": FILES})
        assert answer.status_code == 401


@pytest.mark.sqlite_enough
def test_inputs_stay_in_the_order_of_their_author(api):
    crew = CREW.replace('"memory": true', '"inputs": {"topic": "tea", "audience": "all", "b": 1}')
    answer = send(api, files={**FILES, "crew.jsonc": crew})
    assert answer.status_code == 201, answer.json
    stored = api("GET", f"/graphs/{answer.json['id']}").json["document"]
    assert [*stored["inputs"]] == ["topic", "audience", "b"]
    text = json.dumps(stored)
    report = api("POST", "/graphs/validate", data=text, content_type="application/json").json
    assert report["inputs"] == ["topic", "audience", "b"]
    assert [*report["inputs_schema"]["properties"]] == ["topic", "audience", "b"]
