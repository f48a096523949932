"""``agents.yaml`` and ``tasks.yaml``."""

from __future__ import annotations

import pytest

from flask_crewexec.graphs import parse
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Options
from support.graphs.crewai_projects import created_by_crewai
from support.graphs.foreign_crews import files_of
from support.graphs.foreign_crews import names_in
from support.graphs.foreign_crews import problems_of

AGENTS = "ann: {role: Ann, goal: Help, backstory: Old}\n"
TASKS = "do: {description: Do it, expected_output: A text, agent: ann}\n"


def graph_of(crew, **options):
    found = import_files("crewai-yaml", files_of(f"classic/{crew}"), Options(**options))
    assert found.notes == ()
    return parse(found.document)


def problems(agents=AGENTS, tasks=TASKS, **options):
    files = {"agents.yaml": agents, "tasks.yaml": tasks}
    return problems_of("crewai-yaml", files, **options)


def test_there_are_crews_of_many_shapes():
    assert len(names_in("classic")) >= 5


class TestCrews:
    def test_one_that_crewai_has_made(self, tmp_path):
        files = created_by_crewai(tmp_path, "--classic")
        found = import_files("crewai-yaml", files, Options(name="Reports"))
        assert found.notes == ()
        graph = parse(found.document)
        assert graph.name == "Reports"
        assert [agent.role for agent in graph.agents] == [
            "{topic} Senior Data Researcher",
            "{topic} Reporting Analyst",
        ]
        assert [task.name for task in graph.tasks] == ["research_task", "reporting_task"]
        assert graph.tasks[1].context == ("research_task",)
        assert graph.inputs == ("current_year", "topic")

    def test_fields_of_agents(self):
        poet, critic = graph_of("two_agents").agents
        assert (poet.max_iter, poet.llm) == (3, None)
        assert (critic.max_iter, critic.llm.name) == (25, "small")

    def test_context(self):
        graph = graph_of("context")
        assert [task.context for task in graph.tasks] == [(), (), ("size", "trend")]
        assert graph.tasks[2].description == "Put both together.\nBe short.\n"
        assert graph.agents[0].allow_delegation is True

    def test_a_manager(self):
        graph = graph_of("managed", process="hierarchical", manager_agent="boss")
        assert graph.manager.role == "Boss"
        assert [agent.role for agent in graph.agents] == ["Cook", "Waiter"]

    def test_a_manager_on_a_model(self):
        graph = graph_of("managed", process="hierarchical", manager_llm="large")
        assert graph.manager.name == "large"
        assert len(graph.agents) == 3

    def test_tools_and_a_name(self):
        graph = graph_of("tools")
        assert graph.tasks[0].name == "Look it up"
        assert graph.tasks[0].tools == ("search", "find_orders")
        assert graph.agents[0].llm.temperature == 0.5

    def test_the_order_can_differ_from_the_file(self):
        graph = graph_of("two_agents", order=("verdict", "poem"))
        assert [task.name for task in graph.tasks] == ["verdict", "poem"]
        assert [task.context for task in graph.tasks] == [(), ("verdict",)]

    @pytest.mark.parametrize("form", ["config/{}.yaml", "{}.yml"])
    def test_files_may_lie_where_crewai_puts_them(self, form):
        files = {form.format("agents"): AGENTS, form.format("tasks"): TASKS}
        assert import_files("crewai-yaml", files).notes == ()


class TestProblems:
    @pytest.mark.parametrize(
        ("agents", "found"),
        [
            ("ann: {role: A}", ("/ann/goal", "missing-field")),
            ("ann: A", ("/ann", "wrong-type")),
            ("[ann]", ("", "wrong-type")),
            ("", ("", "wrong-type")),
            ("ann: {role: A, goal: 2020-01-01}", ("/ann/goal", "not-json")),
            ("ann: {role: A, goal: .inf}", ("/ann/goal", "not-json")),
            ("5: {role: A}", ("", "not-json")),
        ],
    )
    def test_in_agents(self, agents, found):
        place, code = found
        assert (f"/files/agents.yaml{place}", code) in problems(agents)

    def test_in_tasks(self):
        tasks = "do: {description: D, expected_output: E, agent: bob, output_file: x}"
        assert problems(tasks=tasks) == [("/files/tasks.yaml/do/agent", "unknown-agent")]

    def test_a_task_cannot_read_a_later_one(self):
        tasks = "b: {description: D, expected_output: E, agent: ann, context: [do]}\n" + TASKS
        assert problems(tasks=tasks) == [("/files/tasks.yaml/b/context/0", "unknown-task")]
        assert problems(tasks=tasks, order=("do", "b")) == []

    @pytest.mark.parametrize(
        ("order", "pointer"), [(("x",), "/order/0"), (("do", "do"), "/order/1")]
    )
    def test_in_the_order(self, order, pointer):
        assert (pointer, "wrong-order") in problems(order=order)

    def test_tasks_that_the_order_leaves_out(self):
        more = TASKS + TASKS.replace("do:", "too:")
        assert problems(tasks=more, order=("do",)) == [("/order", "wrong-order")]

    def test_in_the_manager(self):
        options = {"process": "hierarchical", "manager_agent": "bob"}
        assert problems(**options) == [("/manager_agent", "unknown-agent")]
        assert problems(process="hierarchical") == [("/process", "no-manager")]

    def test_files_that_are_missing(self):
        assert problems_of("crewai-yaml", {"x": ""}) == [
            ("/files", "missing-file"),
            ("/files", "missing-file"),
        ]
