"""``flask crewexec graphs import`` and ``export``."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

from support.graphs import documents
from support.graphs.real_crews import real_crew

pytestmark = pytest.mark.sqlite_enough

AGENT = {"role": "Writer", "goal": "Write", "backstory": "", "llm": "openai/o9", "cache": False}
TASK = {"description": "Tell about {topic}", "expected_output": "Text", "agent": "writer"}
CREW = {"name": "Page", "agents": ["writer"], "tasks": [{"name": "tell", **TASK}]}


@pytest.fixture
def command(app):
    """Run a command of the group ``graphs`` and return its result."""
    runner = app.test_cli_runner()
    return lambda *words: runner.invoke(args=["crewexec", "graphs", *map(str, words)])


@pytest.fixture
def project(tmp_path):
    """The folder of a CrewAI project."""
    folder = tmp_path / "project"
    (folder / "agents").mkdir(parents=True)
    (folder / "tools").mkdir()
    (folder / "tools/x.py").write_text("raise SystemExit")
    (folder / "crew.jsonc").write_text(json.dumps(CREW) + "// the end")
    (folder / "agents/writer.jsonc").write_text(json.dumps(AGENT))
    return folder


class TestImporting:
    def test_stores_the_graph_for_its_user(self, command, project, api, stranger):
        result = command("import", project, "--user", api.user)
        assert result.exit_code == 0, result.output
        id = result.stdout.removeprefix("Stored as graph ").rstrip().rstrip(".")
        document = api("GET", f"/graphs/{id}").json["document"]
        assert [node["id"] for node in document["nodes"]] == ["writer", "tell"]
        assert stranger("GET", f"/graphs/{id}").status_code == 404

    def test_tells_what_is_left_out(self, command, project):
        lines = command("import", project, "--user", "ada").stderr.splitlines()
        assert [line.rpartition(": ")[0] or line for line in lines] == [
            "info: agents/writer.jsonc/cache",
            "changed: agents/writer.jsonc/llm",
            "1 agent, 1 task; 1 note changes behaviour; 1 note changes nothing.",
        ]

    def test_asks_for_consent_to_missing_checks(self, command, project, api):
        tasks = [{**TASK, "guardrail": 7}]
        (project / "crew.jsonc").write_text(json.dumps({**CREW, "tasks": tasks}))
        result = command("import", project, "--user", api.user)
        assert result.exit_code == 1
        assert "At /files/crew.jsonc/tasks/0/guardrail." in result.stderr
        assert command("import", project, "--user", api.user, "--dry-run").exit_code == 0
        assert api("GET", "/graphs").json["graphs"] == []
        words = ("--user", api.user, "--accept", "unguarded")
        assert command("import", project, *words).exit_code == 0
        assert command("import", project, *words, "--strict").exit_code == 1

    @pytest.mark.parametrize("words", ["x", "=x", "x="])
    def test_a_mapping_has_two_sides(self, command, project, words):
        result = command("import", project, "--user", "ada", "--tool", words)
        assert result.exit_code == 2

    def test_names_can_be_mapped(self, command, project):
        words = ("--user", "ada", "--dry-run", "--model", "openai/o9=streaming")
        nodes = json.loads(command("import", project, *words).stdout)["nodes"]
        assert {"name": "streaming"} in [node["data"] for node in nodes]

    def test_a_dry_run_stores_nothing(self, command, project, api):
        result = command("import", project / "crew.jsonc", "--user", api.user, "--dry-run")
        assert json.loads(result.stdout)["name"] == "Page"
        assert api("GET", "/graphs").json["graphs"] == []

    def test_classic_files_with_their_options(self, command, tmp_path):
        ann = {"role": "Ann", "goal": "Help"}
        tasks = {name: {**TASK, "agent": "ann"} for name in ("first", "second")}
        (tmp_path / "agents.yaml").write_text(json.dumps({"ann": ann, "bob": {**ann, "role": "B"}}))
        (tmp_path / "tasks.yaml").write_text(json.dumps(tasks))
        words = ["--format", "crewai-yaml", "--user", "ada", "--dry-run", "--name", "Classic"]
        words += ["--process", "hierarchical", "--manager-agent", "bob"]
        result = command("import", tmp_path, *words, "--order", "second", "--order", "first")
        document = json.loads(result.stdout)
        assert (document["name"], document["process"]) == ("Classic", "hierarchical")
        assert [node["id"] for node in document["nodes"]] == ["ann", "bob", "second", "first"]

    def test_finds_the_files_of_a_project(self, command, tmp_path):
        crew = real_crew("scaffold")
        for name, text in crew.files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        (tmp_path / "docker-compose.yml").write_text("services: [")
        for path in (tmp_path, tmp_path / "src/garden", tmp_path / "src/garden/crew.py"):
            result = command("import", path, "--user", "ada", "--dry-run")
            assert result.exit_code == 0, result.output
            assert json.loads(result.stdout)["name"] == "Garden"
            assert result.stderr.endswith("2 agents, 2 tasks; 4 notes change nothing.\n")

    def test_reads_files_of_other_names(self, command, tmp_path):
        crew = real_crew("shape_only")
        for name, text in crew.files.items():
            (tmp_path / name).write_text(text)
        paths = [tmp_path / name for name in crew.files]
        result = command("import", *paths, "--user", "ada", "--dry-run")
        assert json.loads(result.stdout)["process"] == "sequential"

    def test_one_file_of_react_flow(self, command, tmp_path):
        (tmp_path / "flow.json").write_text(json.dumps(documents.ONE_TASK))
        words = ("--format", "reactflow", "--user", "ada", "--dry-run")
        result = command("import", tmp_path / "flow.json", *words)
        assert json.loads(result.stdout) == documents.ONE_TASK
        assert command("import", tmp_path, *words).exit_code == 1

    def test_every_problem_is_reported_with_its_place(self, command, project):
        bad = {**AGENT, "goal": "", "mcps": ["x\x1b[2J"]}
        (project / "agents/writer.jsonc").write_text(json.dumps(bad))
        result = command("import", project, "--user", "ada")
        assert result.exit_code == 1
        *notes, _, problem = result.stderr.splitlines()
        assert [line.split(": ")[1] for line in notes] == [
            "agents/writer.jsonc/cache",
            "agents/writer.jsonc/mcps",
            "agents/writer.jsonc/llm",
        ]
        assert problem == "At /files/agents~1writer.jsonc/goal."

    @pytest.mark.parametrize("text", [b"\xff\xfe", b" " * 4_000_001])
    def test_files_that_cannot_be_read(self, command, project, text):
        (project / "agents/writer.jsonc").write_bytes(text)
        result = command("import", project, "--user", "ada")
        assert result.exit_code == 1
        assert "writer.jsonc" in result.stderr

    def test_a_folder_without_a_crew(self, command, tmp_path):
        result = command("import", tmp_path, "--user", "ada")
        assert result.exit_code == 1
        assert "crew.jsonc" in result.stderr


class TestExporting:
    def test_comes_back_as_it_was(self, command, api, tmp_path):
        id = api.graph(documents.chain("a", "b", tools=("say",), model="streaming"))
        result = command("export", id, "--to", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert len(result.stdout.splitlines()) == 3
        returned = command("import", tmp_path / "out", "--user", "ada", "--dry-run")
        assert returned.stderr == "1 agent, 2 tasks.\n"
        document = json.loads(returned.stdout)
        (agent,) = [node for node in document["nodes"] if node["type"] == "agent"]
        assert agent["data"]["role"] == "Writer"

    def test_crewai_takes_it(self, command, api, tmp_path):
        import_module("flask_crewexec.runtime.crewai_shims")  # sets the switches of CrewAI
        id = api.graph(documents.chain("a", "b", model="streaming"))
        command("export", id, "--to", tmp_path)
        loader = import_module("crewai.project.json_loader")
        project = loader.validate_crew_project(tmp_path / "crew.jsonc")
        assert project.agent_names == ["writer"]
        assert [task["context"] for task in project.task_definitions] == [[], ["a"]]

    def test_overwrites_nothing(self, command, api, tmp_path):
        (tmp_path / "crew.jsonc").write_text("mine")
        result = command("export", api.graph(documents.ONE_TASK), "--to", tmp_path)
        assert result.exit_code == 1
        assert (tmp_path / "crew.jsonc").read_text() == "mine"
        assert not (tmp_path / "agents").exists()

    def test_another_version(self, command, api, tmp_path):
        id = api.graph(documents.ONE_TASK)
        api("PUT", f"/graphs/{id}", json={**documents.ONE_TASK, "name": "changed"})
        command("export", id, "--to", tmp_path, "--version", 1)
        assert json.loads((tmp_path / "crew.jsonc").read_text())["name"] == "test crew"

    def test_a_graph_that_is_not_there(self, command, tmp_path):
        result = command("export", "nothing", "--to", tmp_path)
        assert result.exit_code == 1
        assert "There is no graph" in result.stderr
