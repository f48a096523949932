"""Exports of CrewAI-Studio."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest

from flask_crewexec.graphs import parse
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Options
from support.graphs.foreign_crews import files_of
from support.graphs.foreign_crews import names_in
from support.graphs.foreign_crews import problems_of

CHAIN = json.loads(files_of("studio/chain")["crew.json"])
TOOLS = json.loads(files_of("studio/tools")["crew.json"])


def graph_of(crew):
    found = import_files("crewai-studio", files_of(f"studio/{crew}"))
    assert found.notes == ()
    return parse(found.document)


def changed(crew, *path, **fields):
    """Return a copy of *crew* with other *fields* at *path*."""
    crew = copy.deepcopy(crew)
    part = crew
    for step in path:
        part = part[step]
    part.update(fields)
    return crew


def notes(crew):
    found = import_files("crewai-studio", {"x.json": json.dumps(crew)})
    return [(note.pointer, note.code) for note in found.notes]


def problems(crew):
    found = problems_of("crewai-studio", {"x.json": json.dumps(crew)})
    return [(pointer.removeprefix("/files/x.json"), code) for pointer, code in found]


def test_there_are_crews_of_many_shapes():
    assert len(names_in("studio")) >= 5


class TestCrews:
    def test_one_task(self):
        graph = graph_of("one")
        (agent,) = graph.agents
        assert (graph.name, graph.inputs) == ("One", ("topic",))
        assert (agent.llm.name, agent.llm.temperature) == ("openai/gpt-4o", 0.1)

    def test_tasks_read_all_before_them_unless_they_say_otherwise(self):
        graph = graph_of("chain")
        assert [task.context for task in graph.tasks] == [(), ("T_1",), ("T_1",)]
        assert [task.agent_id for task in graph.tasks] == ["A_1", "A_2", "A_2"]

    def test_tools(self):
        (agent,) = graph_of("tools").agents
        assert (agent.tools, agent.max_iter) == (("ScrapeWebsiteTool",), 4)

    def test_a_manager(self):
        graph = graph_of("managed")
        assert graph.manager.role == "Boss"
        assert [agent.role for agent in graph.agents] == ["Hand"]

    def test_a_manager_on_a_model(self):
        assert graph_of("modelled").manager.name == "groq/llama3"


STORED: list[dict[str, t.Any]] = [
    {"id": "A_1", "entity_type": "agent", "data": {"role": "Ann", "goal": "Help"}},
    {"id": "A_2", "entity_type": "agent", "data": {"role": "Bob", "tool_ids": [], "goal": "Rest"}},
    {"id": "X_1", "entity_type": "tool", "data": {"name": "Search", "parameters": {"path": "a"}}},
    {"id": "T_1", "entity_type": "task", "data": {**CHAIN["tasks"][0], "agent_id": "A_1"}},
    {"id": "T_2", "entity_type": "task", "data": {**CHAIN["tasks"][0], "agent_id": "A_1"}},
    {
        "id": "C_1",
        "entity_type": "crew",
        "data": {"name": "One", "agent_ids": ["A_1"], "task_ids": ["T_1"], "created_at": "x"},
    },
    {
        "id": "C_2",
        "entity_type": "crew",
        "data": {
            "name": "Two",
            "agent_ids": ["A_1"],
            "task_ids": ["T_2", "T_1"],
            "process": "hierarchical",
            "manager_agent_id": "A_2",
            "planning_llm": None,
        },
    },
]


class TestEverythingThatIsStored:
    def read(self, stored=STORED, **options):
        return import_files("crewai-studio", {"x.json": json.dumps(stored)}, Options(**options))

    def test_is_one_crew_if_there_is_only_one(self):
        found = self.read(STORED[:-1])
        assert (found.document["name"], found.notes) == ("One", ())

    def test_is_chosen_from_by_name(self):
        found = self.read(crew="Two")
        graph = parse(found.document)
        assert [task.id for task in graph.tasks] == ["T_2", "T_1"]
        assert graph.manager.role == "Bob"
        assert found.notes == ()

    @pytest.mark.parametrize(
        ("options", "found"),
        [({}, ("/files", "several-crews")), ({"crew": "Three"}, ("/crew", "unknown-crew"))],
    )
    def test_must_be_chosen_from(self, options, found):
        files = {"x.json": json.dumps(STORED)}
        assert problems_of("crewai-studio", files, **options) == [found]

    def test_problems_point_to_the_entity(self):
        stored = copy.deepcopy(STORED[:-1])
        stored[5]["data"]["agent_ids"] = ["A_1", {}]
        stored[0]["data"]["goal"] = 7
        assert problems(stored) == [("/5/data/agent_ids/1", "unknown-agent")]
        stored[5]["data"]["agent_ids"] = ["A_1"]
        assert problems(stored) == [("/0/data/goal", "wrong-type")]

    def test_what_is_no_entity(self):
        assert problems([7]) == [("/0", "wrong-type"), ("/files", "no-crew")]


class TestNotes:
    @pytest.mark.parametrize(
        ("crew", "found"),
        [
            (changed(CHAIN, knowledge_source_ids=["K_1"]), ("/knowledge_source_ids", "knowledge")),
            (changed(CHAIN, "agents", 0, mcps=["x"]), ("/agents/0/mcps", "mcp-server")),
            (changed(CHAIN, "tasks", 0, output_file="x"), ("/tasks/0/output_file", "file")),
        ],
    )
    def test_of_what_graphs_do_not_have(self, crew, found):
        assert notes(crew) == [found]

    @pytest.mark.parametrize("field", ["memory", "planning_llm", "max_rpm", "cache"])
    def test_of_the_crew(self, field):
        assert notes(changed(CHAIN, **{field: True})) == [(f"/{field}", "left-out")]

    def test_of_tasks_and_managers(self):
        assert notes(changed(CHAIN, manager_llm="x")) == [("/manager_llm", "left-out")]

    def test_of_settings_of_tools(self):
        crew = changed(TOOLS, "tools", 0, parameters={"n_results": 5, "other": None})
        assert notes(crew) == [("/tools/0/parameters", "tool-arguments")]
        crew = changed(TOOLS, "tools", 0, parameters={"website_url": "example.com"})
        assert notes(crew) == [("/tools/0/parameters", "tool-unrestricted")]


class TestProblems:
    @pytest.mark.parametrize(
        ("crew", "found"),
        [
            (changed(CHAIN, "agents", 0, tool_ids=["x"]), ("/agents/0/tool_ids/0", "unknown-tool")),
            (changed(CHAIN, "agents", 0, temperature=9), ("/agents/0/temperature", "out-of-range")),
            (
                changed(CHAIN, "agents", 0, llm_provider_model=7),
                ("/agents/0/llm_provider_model", "wrong-type"),
            ),
            (changed(CHAIN, "agents", 1, id="A_1"), ("/agents/1/id", "invalid-id")),
            (changed(CHAIN, "tasks", 0, agent_id="x"), ("/tasks/0/agent_id", "unknown-agent")),
            (
                changed(CHAIN, "tasks", 2, context_from_async_tasks_ids=["x"]),
                ("/tasks/2/context_from_async_tasks_ids/0", "unknown-task"),
            ),
            (changed(CHAIN, "agents", 0, tool_ids="x"), ("/agents/0/tool_ids", "wrong-type")),
            (
                changed(CHAIN, "tasks", 2, context_from_sync_tasks_ids="x"),
                ("/tasks/2/context_from_sync_tasks_ids", "wrong-type"),
            ),
            (changed(CHAIN, tasks=7), ("/tasks", "wrong-type")),
            (changed(CHAIN, agents=[7]), ("/agents/0", "wrong-type")),
            (
                changed(CHAIN, process="hierarchical", manager_agent="x"),
                ("/manager_agent", "unknown-agent"),
            ),
        ],
    )
    def test_point_to_their_place(self, crew, found):
        assert found in problems(crew)

    def test_there_is_one_file(self):
        files = {"a": "{}", "b": "{}"}
        assert problems_of("crewai-studio", files) == [("/files", "one-file")]
