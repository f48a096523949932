"""Flows of Langflow."""

from __future__ import annotations

import json

import pytest

from flask_crewexec.graphs import parse
from flask_crewexec.graphs.importers import import_files
from support.graphs.foreign_crews import files_of
from support.graphs.foreign_crews import names_in
from support.graphs.foreign_crews import problems_of

FORM = "/data/nodes/{}/data/node/template"
CODE = ("/data/nodes", "code-left-out")


def flow(crew="chain"):
    return json.loads(files_of(f"langflow/{crew}")["flow.json"])


def form(flow, node):
    return flow["data"]["nodes"][node]["data"]["node"]["template"]


def graph_of(crew):
    return parse(import_files("langflow", files_of(f"langflow/{crew}")).document)


def notes(flow):
    found = import_files("langflow", {"x.json": json.dumps(flow)})
    return [(note.pointer, note.code) for note in found.notes]


def problems(flow):
    found = problems_of("langflow", {"x.json": json.dumps(flow)})
    return [(pointer.removeprefix("/files/x.json"), code) for pointer, code in found]


def test_there_are_crews_of_many_shapes():
    assert len(names_in("langflow")) >= 5


class TestCrews:
    def test_a_task_comes_behind_the_one_that_it_continues(self):
        graph = graph_of("chain")
        assert [task.description for task in graph.tasks] == ["Read about {topic}.", "Write."]
        assert graph.tasks[1].context == (graph.tasks[0].id,)
        roles = {agent.id: agent.role for agent in graph.agents}
        assert [roles[task.agent_id] for task in graph.tasks] == ["Reader", "Writer"]

    def test_tasks_side_by_side_with_handles_as_texts(self):
        graph = graph_of("list")
        assert [task.description for task in graph.tasks] == ["First.", "Second."]
        assert len(graph.agents) == 1

    def test_components_that_are_agent_and_task(self):
        graph = graph_of("both")
        assert [task.description for task in graph.tasks] == ["Do {x}", "Then"]
        assert [agent.role for agent in graph.agents] == ["Ann", "Bob"]

    def test_tools_and_models(self):
        (agent,) = graph_of("tools").agents
        assert (agent.llm.name, agent.llm.temperature) == ("openai/gpt-4o", 0.3)
        assert agent.tools == ("SearchAPI",)

    def test_a_manager(self):
        graph = graph_of("managed")
        assert graph.manager.role == "Boss"
        assert [agent.role for agent in graph.agents] == ["Hand"]
        assert graph.tasks[0].agent_id is None

    def test_a_manager_on_a_model(self):
        assert graph_of("modelled").manager.name == "anthropic/claude"


class TestNotes:
    def test_of_code(self):
        assert notes(flow()) == [CODE]

    def test_of_components_outside_the_crew(self):
        assert notes(flow("tools")) == [CODE, ("/data/nodes/5", "left-out")]

    def test_of_fields_that_only_langflow_knows(self):
        changed = flow()
        form(changed, 3)["mood"] = {"value": "good"}
        assert notes(changed) == [(f"{FORM.format(3)}/mood/value", "left-out"), CODE]

    def test_of_variables_of_langflow(self):
        changed = flow()
        form(changed, 3)["backstory"] = {"value": "STORY", "load_from_db": True}
        assert notes(changed) == [(f"{FORM.format(3)}/backstory", "left-out"), CODE]

    def test_of_settings_of_tools(self):
        changed = flow("tools")
        form(changed, 4)["engine"] = {"value": "x"}
        assert (FORM.format(4), "tool-arguments") in notes(changed)

    def test_of_settings_that_narrow_tools(self):
        changed = flow("tools")
        form(changed, 4)["allowed_domains"] = {"value": "example.com"}
        form(changed, 4)["api_key"] = {"value": "sk-1"}
        found = import_files("langflow", {"x.json": json.dumps(changed)})
        tools = [note for note in found.notes if note.pointer == FORM.format(4)]
        assert [(note.code, note.severity) for note in tools] == [
            ("tool-unrestricted", "unguarded"),
            ("tool-arguments", "changed"),
        ]
        assert "sk-1" not in str(tools)

    def test_of_code_that_agents_would_run(self):
        changed = flow()
        form(changed, 3)["allow_code_execution"]["value"] = True
        form(changed, 3)["kwargs"]["value"] = {"mcps": ["x"], "max_iter": 3}
        at = FORM.format(3)
        assert notes(changed) == [
            (f"{at}/kwargs/value/mcps", "mcp-server"),
            (f"{at}/allow_code_execution/value", "code-execution"),
            CODE,
        ]

    @pytest.mark.parametrize(
        ("field", "code"), [("openai_api_base", "address"), ("api_key", "secret")]
    )
    def test_of_models(self, field, code):
        changed = flow("tools")
        form(changed, 3)[field] = {"value": "sk-1"}
        assert (f"{FORM.format(3)}/{field}/value", code) in notes(changed)

    def test_of_texts_that_other_components_fill_in(self):
        changed = flow("tools")
        handle = {"fieldName": "task_description"}
        edge = {"source": "ChatOutput-1", "target": "SequentialTaskComponent-1"}
        changed["data"]["edges"].append({**edge, "data": {"targetHandle": handle}})
        place = FORM.format(1) + "/task_description"
        assert (place, "left-out") in notes(changed)

    @pytest.mark.parametrize(("node", "field"), [(0, "memory"), (3, "memory"), (3, "verbose")])
    def test_of_fields(self, node, field):
        changed = flow()
        form(changed, node)[field]["value"] = True
        assert notes(changed) == [(f"{FORM.format(node)}/{field}/value", "left-out"), CODE]


class TestProblems:
    def test_of_values(self):
        changed = flow("tools")
        form(changed, 3)["temperature"]["value"] = 7
        form(changed, 2)["role"]["value"] = 7
        assert problems(changed) == [
            (f"{FORM.format(2)}/role/value", "wrong-type"),
            (f"{FORM.format(3)}/temperature/value", "out-of-range"),
        ]

    def test_of_crews(self):
        assert problems({"data": {"nodes": [], "edges": []}}) == [("/data/nodes", "one-crew")]

    @pytest.mark.parametrize(
        ("data", "found"),
        [
            ([], ("/data", "wrong-type")),
            ({"nodes": 7, "edges": []}, ("/data/nodes", "wrong-type")),
            ({"nodes": [], "edges": 7}, ("/data/edges", "wrong-type")),
            ({"nodes": [7], "edges": []}, ("/data/nodes/0/id", "invalid-id")),
            ({"nodes": [], "edges": [{"source": "a"}]}, ("/data/edges/0", "unknown-node")),
            ({"nodes": [{}] * 201, "edges": []}, ("/data/nodes", "too-many")),
        ],
    )
    def test_of_shape(self, data, found):
        assert found in problems({"data": data})

    def test_tasks_that_wait_for_each_other_come_to_an_end(self):
        changed = flow()
        handle = {"targetHandle": {"fieldName": "task"}}
        ends = {"source": "SequentialTaskComponent-2", "target": "SequentialTaskComponent-1"}
        changed["data"]["edges"].append({**ends, "data": handle})
        assert problems(changed) == [("/data/edges", "cycle")]
