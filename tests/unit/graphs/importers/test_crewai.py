"""``crew.jsonc`` with ``agents/*.jsonc``."""

from __future__ import annotations

import json
import typing as t

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import parse
from flask_crewexec.graphs import Review
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Names
from support.graphs.crewai_projects import created_by_crewai
from support.graphs.foreign_crews import crew_notes
from support.graphs.foreign_crews import crew_problems
from support.graphs.foreign_crews import crewai
from support.graphs.foreign_crews import files_of
from support.graphs.foreign_crews import imported
from support.graphs.foreign_crews import meaning
from support.graphs.foreign_crews import names_in
from support.graphs.foreign_crews import problems_of
from support.graphs.foreign_crews import small
from support.graphs.foreign_crews import with_agent
from support.graphs.foreign_crews import with_task


def graph_of(crew):
    return parse(import_files("crewai", files_of(f"crewai/{crew}")).document)


def test_there_are_crews_of_many_shapes():
    assert len(names_in("crewai")) >= 5


class TestCrews:
    def test_one_that_crewai_has_made(self, tmp_path):
        found = import_files("crewai", created_by_crewai(tmp_path))
        said = meaning(found.document)
        (agent,) = said["agents"]
        assert agent["fields"][0] == "Senior Researcher"
        assert agent["llm"] == ("openai/gpt-4o", None, None)
        assert [task["fields"][0] for task in said["tasks"]] == ["research_task"]
        places = {(note.file, note.pointer) for note in found.notes}
        assert places == {("crew.jsonc", "/memory"), ("crew.jsonc", "/verbose")}

    def test_without_context_a_task_reads_all_before_it(self):
        graph = graph_of("chain")
        assert [task.context for task in graph.tasks] == [(), ("read",), ("draft",), ()]
        assert graph.inputs == ("audience", "topic")

    def test_settings_of_an_agent_go_before_its_fields(self):
        reader, writer = graph_of("chain").agents
        assert (reader.max_iter, reader.allow_delegation) == (7, False)
        assert (writer.max_iter, writer.allow_delegation) == (9, True)

    def test_agents_inside_of_the_crew(self):
        graph = graph_of("inline")
        assert [agent.id for agent in graph.agents] == ["sorter", "second_line"]
        assert [agent.max_iter for agent in graph.agents] == [25, 25]  # CrewAI's own default
        assert [task.name for task in graph.tasks] == ["task_1", "Answer the ticket"]
        assert graph.tasks[1].agent_id == "second_line"

    def test_a_manager_agent_manages_the_others(self):
        graph = graph_of("newsroom")
        assert graph.process == "hierarchical"
        assert graph.manager.role == "Chief"
        assert (graph.manager.llm.name, graph.manager.llm.temperature) == ("large", 0.2)
        assert [agent.role for agent in graph.agents] == ["Reporter", "Checker"]

    def test_a_manager_model(self):
        graph = graph_of("board")
        assert (graph.name, graph.manager.name) == ("crew", "openai/gpt-4o")
        assert graph.manager.max_tokens == 500
        assert graph.tasks[0].agent_id is None

    def test_agents_share_a_tool_and_a_model_that_they_use_alike(self):
        document = import_files("crewai", files_of("crewai/tools")).document
        kinds = [node["type"] for node in document["nodes"]]
        assert (kinds.count("tool"), kinds.count("llm")) == (2, 1)
        clerk, _ = parse(document).agents
        assert clerk.tools == ("find_orders", "search")

    def test_a_list_of_definitions(self):
        ann = {"role": "Ann", "goal": "Help", "backstory": ""}
        for entry in ({"name": "ann", **ann}, {"ann": ann}):
            found = imported(small(agents=[entry]))
            assert [agent.role for agent in parse(found.document).agents] == ["Ann"]


class TestNames:
    names = Names(
        tools={"SerperDevTool": "search"},
        models={"openai/o1": "large"},
        known_tools={"search", "scrape_website_tool"},
        known_models={"default": {"openai/gpt-4o"}, "large": set()},
    )

    def read(self, crew):
        found = import_files("crewai", crewai(crew), names=self.names)
        return parse(found.document).agents[0], found.notes

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("SerperDevTool", "search"),
            ("search", "search"),
            ("ScrapeWebsiteTool", "scrape_website_tool"),
            ("FileReadTool", "FileReadTool"),
            ("custom:search", "search"),
            ("crewai_tools:ScrapeWebsiteTool", "scrape_website_tool"),
            ("scrape_website", "scrape_website_tool"),
            ("SearchTool", "search"),
            ("search_tool", "search"),
        ],
    )
    def test_of_tools(self, written, name):
        agent, _ = self.read(with_agent(tools=[written]))
        assert agent.tools == (name,)

    @pytest.mark.parametrize(
        ("written", "name"),
        [("openai/o1", "large"), ("large", "large"), ("openai/gpt-4o", "default")],
    )
    def test_of_models(self, written, name):
        agent, notes = self.read(with_agent(llm=written))
        assert agent.llm.name == name
        assert notes == ()

    def test_the_default_stands_in_for_a_model_that_is_not_registered(self):
        agent, (note,) = self.read(with_agent(llm="ollama/llama3"))
        assert agent.llm is None
        assert note[:3] == ("crew.jsonc", "/agents/ann/llm", "model-replaced")
        assert '"ollama/llama3"' in note.detail
        assert '"default", "large"' in note.detail

    def test_its_options_stay(self):
        agent, _ = self.read(with_agent(llm={"model": "ollama/llama3", "temperature": 1}))
        assert (agent.llm.name, agent.llm.temperature) == ("default", 1)

    def test_a_mapped_reference_is_a_name_and_nothing_else(self):
        names = Names(tools={"custom:look": "search"})
        files = crewai(with_agent(tools=["custom:look"]))
        found = import_files("crewai", files, names=names)
        assert parse(found.document).agents[0].tools == ("search",)


OBJECT = {"type": "object", "properties": {"url": {"type": "string"}}}


class TestWhatIsCarried:
    def task(self, **fields):
        found = imported(with_task(**fields))
        assert found.notes == ()
        return parse(found.document).tasks[0]

    def test_the_form_of_answers(self):
        assert self.task(markdown=True).markdown

    def test_that_a_person_is_asked(self):
        assert self.task(human_input=True).review == Review()
        assert self.task(human_input=False).review is None
        assert self.task(output_json=OBJECT).output_schema == OBJECT
        assert self.task(output_pydantic=OBJECT, output_json=OBJECT).output_schema == OBJECT
        assert self.task(response_model=OBJECT).output_schema == OBJECT

    def test_guardrails_that_are_texts(self):
        task = self.task(guardrail="Be kind.", guardrails=["Be short."], guardrail_max_retries=1)
        assert [each.text for each in task.guardrails] == ["Be short.", "Be kind."]
        assert task.guardrail_max_retries == 1
        assert [each.text for each in self.task(guardrails="Be kind.").guardrails] == ["Be kind."]

    def test_parallel_tasks_read_the_last_one_before_them(self):
        crew = small()
        (first,) = crew["tasks"]
        names = {"a": {}, "b": BESIDE, "c": BESIDE, "d": {}}
        crew["tasks"] = [{**first, "name": name, **more} for name, more in names.items()]
        found = imported(crew)
        tasks = {task.name: task for task in parse(found.document).tasks}
        assert [task.is_async for task in tasks.values()] == [False, True, True, False]
        read = {name: list(task.context) for name, task in tasks.items()}
        assert read == {"a": [], "b": ["a"], "c": ["a"], "d": ["a", "b", "c"]}

    def test_an_agent_that_reasons(self):
        found = imported(with_agent(reasoning=True, max_reasoning_attempts=2, inject_date=True))
        assert found.notes == ()
        (agent,) = parse(found.document).agents
        assert (agent.reasoning, agent.max_reasoning_attempts, agent.inject_date) == (True, 2, True)

    def test_a_crew_that_is_planned(self):
        assert parse(imported(small(planning=True)).document).planner == "default"
        found = imported(small(planning=True, planning_llm="large"))
        assert (parse(found.document).planner, found.notes) == ("large", ())

    def test_a_planner_that_is_not_registered(self):
        names = Names(known_models={"default": set()})
        files = crewai(small(planning=True, planning_llm="openai/o9"))
        found = import_files("crewai", files, names=names)
        assert parse(found.document).planner == "default"
        assert [note.code for note in found.notes] == ["model-replaced"]


BESIDE = {"async_execution": True}


class TestNotes:
    def notes(self, crew):
        return [(note.pointer, note.code) for note in imported(crew).notes]

    def test_nothing_is_left_out_of_a_crew_that_a_graph_can_say(self):
        assert self.notes(small()) == []

    @pytest.mark.parametrize(
        "field",
        ["memory", "verbose", "planning_llm", "max_rpm", "stream", "no_such_field"],
    )
    def test_fields_of_the_crew(self, field):
        assert self.notes(small(**{field: True})) == [(f"/{field}", "left-out")]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("cache", False),
            ("max_rpm", 10),
            ("date_format", "%d"),
        ],
    )
    def test_fields_of_an_agent(self, field, value):
        place = f"/agents/ann/{field}"
        assert self.notes(with_agent(**{field: value})) == [(place, "left-out")]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("output_json", {"type": "object", "properties": {"x": {"pattern": "(a+)+$"}}}),
            ("output_pydantic", {"$ref": "http://127.0.0.1/schema"}),
            ("response_model", {"type": "string"}),
        ],
    )
    def test_schemas_of_a_task(self, field, value):
        ((place, code),) = self.notes(with_task(**{field: value}))
        assert (place.startswith(f"/tasks/0/{field}"), code) == (True, "schema-left-out")

    def test_a_second_schema(self):
        crew = with_task(output_json={"type": "object"}, output_pydantic={**OBJECT})
        assert self.notes(crew) == [("/tasks/0/output_pydantic", "left-out")]

    def test_branches_of_agents_that_delegate_and_of_managers(self):
        crew = with_task(async_execution=True)
        crew["agents"]["ann"]["allow_delegation"] = True
        assert self.notes(crew) == [("/tasks/0/async_execution", "left-out")]
        crew = with_task(async_execution=True)
        crew |= {"process": "hierarchical", "manager_llm": "large"}
        assert self.notes(crew) == [("/tasks/0/async_execution", "left-out")]

    def test_how_a_model_plans(self):
        crew = small(planning=True, planning_llm={"model": "large", "temperature": 1})
        assert self.notes(crew) == [("/planning_llm/temperature", "left-out")]

    def test_defaults_of_inputs(self):
        crew = with_task(description="About {topic} for {whom}")
        crew["inputs"] = {"topic": "tea", "url": "https://example.com", "n": [1, {"a": None}]}
        found = imported(crew)
        assert found.notes == ()
        assert found.document["inputs"] == {
            "topic": {"default": "tea"},
            "url": {"default": "https://example.com"},
            "n": {"default": [1, {"a": None}]},
            "whom": {},
        }

    @pytest.mark.parametrize("name", ["two words", "crew_chat_messages", ""])
    def test_inputs_that_no_text_can_name(self, name):
        found = imported(small(inputs={name: "x", "topic": "tea"}))
        assert [(note.pointer, note.code) for note in found.notes] == [
            (f"/inputs/{name}", "left-out")
        ]
        assert found.document["inputs"] == {"topic": {"default": "tea"}}

    def test_null_is_no_default(self):
        crew = with_task(description="About {topic}")
        assert self.notes({**crew, "inputs": {"topic": None}}) == [("/inputs/topic", "left-out")]

    @pytest.mark.parametrize(
        ("inputs", "pointer", "code"),
        [
            (["topic"], "/inputs", "wrong-type"),
            ({"topic": "x" * 20_001}, "/inputs/topic", "too-long"),
            ({f"a{number}": 1 for number in range(101)}, "/inputs", "too-many-inputs"),
        ],
    )
    def test_inputs_that_do_not_fit(self, inputs, pointer, code):
        assert crew_problems(small(inputs=inputs)) == [(pointer, code)]

    def test_what_says_nothing_needs_no_note(self):
        crew = with_agent(cache=True, verbose=False, mcps=[], knowledge_sources=None, type="agent")
        assert self.notes({**crew, "memory": False, "planning": False, "inputs": {}}) == []
        silent = with_task(guardrail=None, guardrails=[], output_json=None, async_execution=False)
        assert self.notes(silent) == []

    def test_a_manager_of_a_sequential_crew(self):
        assert self.notes(small(manager_llm="large")) == [("/manager_llm", "left-out")]

    def test_files_that_nothing_refers_to(self):
        found = import_files("crewai", {**crewai(small()), "agents/bob.jsonc": "not even JSON"})
        assert found.notes[0][:3] == ("agents/bob.jsonc", "", "unused-file")

    def test_an_agent_that_is_listed_twice(self):
        files = crewai(small(agents=["ann", "ann"]), ann=small()["agents"]["ann"])
        (note,) = import_files("crewai", files).notes
        assert (note.pointer, note.code) == ("/agents/1", "listed-twice")

    def test_there_is_an_end_to_them(self):
        notes = imported(small(**{f"x{at}": 1 for at in range(5000)})).notes
        assert len(notes) == 201
        assert notes[-1].code == "too-many-notes"


REFERENCE = {"python": "os.system"}


class TestWhatIsLeftOut:
    """Nothing of it prevents an import, and nothing of it is in the document."""

    @pytest.mark.parametrize(
        ("field", "value", "code", "severity"),
        [
            ("type", REFERENCE, "code-reference", "changed"),
            ("type", "my.agents.Agent", "code-reference", "changed"),
            ("step_callback", "os.system", "code-reference", "changed"),
            ("callbacks", [REFERENCE], "code-reference", "changed"),
            ("executor_class", "my.Executor", "code-reference", "changed"),
            ("allow_code_execution", True, "code-execution", "changed"),
            ("mcps", [{"command": "sh", "args": ["-c", "id"]}], "mcp-server", "changed"),
            ("mcps", ["https://inner.example/mcp"], "mcp-server", "changed"),
            ("knowledge_sources", [{"file_paths": ["/etc/passwd"]}], "knowledge", "changed"),
            ("apps", ["gmail"], "outside-service", "changed"),
            ("a2a", {"endpoint": "http://10.0.0.1"}, "outside-service", "changed"),
            ("from_repository", "researcher", "outside-service", "changed"),
            ("skills", ["../../etc"], "skill", "changed"),
            ("checkpoint", True, "left-out", "info"),
            ("verbose", True, "left-out", "info"),
            ("zz", {"api_key": "sk-1"}, "left-out", "changed"),
        ],
    )
    def test_of_an_agent(self, field, value, code, severity):
        place = f"/agents/ann/{field}"
        crew = with_agent(**{field: value})
        assert crew_notes(crew) == [(place, code, severity)]
        assert imported(crew).document == imported(small()).document
        assert crew_notes(with_agent(settings={field: value})) == [
            (f"/agents/ann/settings/{field}", code, severity)
        ]

    @pytest.mark.parametrize(
        ("field", "value", "code", "severity"),
        [
            ("condition", REFERENCE, "condition-left-out", "unguarded"),
            ("guardrail", REFERENCE, "guardrail-left-out", "unguarded"),
            ("guardrail", 7, "guardrail-left-out", "unguarded"),
            ("callback", "os.system", "code-reference", "changed"),
            ("converter_cls", REFERENCE, "code-reference", "changed"),
            ("output_pydantic", "my.models.Report", "schema-left-out", "changed"),
            ("output_json", REFERENCE, "schema-left-out", "changed"),
            ("output_json", {"type": "array"}, "schema-left-out", "changed"),
            ("output_file", "/etc/cron.d/x", "file", "info"),
            ("input_files", {"brief": "/etc/passwd"}, "file", "changed"),
            ("expected_output", " ", "default-text", "changed"),
        ],
    )
    def test_of_a_task(self, field, value, code, severity):
        assert crew_notes(with_task(**{field: value})) == [(f"/tasks/0/{field}", code, severity)]

    @pytest.mark.parametrize(
        ("field", "value", "code", "severity"),
        [
            ("before_kickoff_callbacks", [REFERENCE], "code-reference", "changed"),
            ("task_callback", REFERENCE, "code-reference", "changed"),
            ("trained_agents_file", "x.pkl", "left-out", "changed"),
            ("output_log_file", "run.log", "file", "info"),
            ("prompt_file", "/etc/passwd", "left-out", "changed"),
            ("knowledge_sources", [{}], "knowledge", "changed"),
        ],
    )
    def test_of_a_crew(self, field, value, code, severity):
        assert crew_notes(small(**{field: value})) == [(f"/{field}", code, severity)]

    @pytest.mark.parametrize(
        ("field", "code", "severity"),
        [
            ("base_url", "address", "changed"),
            ("api_base", "address", "changed"),
            ("api_key", "secret", "info"),
            ("top_p", "left-out", "changed"),
        ],
    )
    def test_of_a_model(self, field, code, severity):
        llm = {"model": "small", field: "sk-1"}
        crew = with_agent(llm=llm)
        assert crew_notes(crew) == [(f"/agents/ann/llm/{field}", code, severity)]
        manager = small(process="hierarchical", manager_llm=llm)
        assert crew_notes(manager) == [(f"/manager_llm/{field}", code, severity)]
        found = imported(crew)
        assert "sk-1" not in json.dumps(found.document) + str(found.notes)

    def test_of_a_model_in_code(self):
        crew = with_agent(llm=REFERENCE)
        assert crew_notes(crew) == [("/agents/ann/llm", "model-replaced", "changed")]
        found = import_files("crewai", crewai(crew), names=Names(models={"os.system": "large"}))
        assert (parse(found.document).agents[0].llm.name, found.notes) == ("large", ())

    def test_of_a_deployment(self):
        found = imported(with_agent(llm={"deployment_name": "mine", "api_base": "https://x"}))
        assert parse(found.document).agents[0].llm.name == "mine"
        assert [note.code for note in found.notes] == ["address"]

    def test_of_rules_that_a_graph_cannot_have(self):
        refused = [("/tasks/0/guardrails/1", "blank"), ("/tasks/0/guardrail", "too-long")]
        crew = with_task(guardrails=["x", " "], guardrail="x" * 2001)
        assert crew_problems(crew) == refused

    def test_of_code_in_a_list_of_guardrails(self):
        place = "/tasks/0/guardrails/1"
        crew = with_task(guardrails=["x", REFERENCE])
        assert crew_notes(crew) == [(place, "guardrail-left-out", "unguarded")]
        assert [each.text for each in parse(imported(crew).document).tasks[0].guardrails] == ["x"]

    def test_of_tools_that_are_no_names(self):
        crew = with_agent(tools=[7, {"x": 1}, {"name": ""}])
        assert crew_notes(crew) == [
            (f"/agents/ann/tools/{at}", "tool-left-out", "changed") for at in (0, 1, 2)
        ]

    def test_of_managers_in_code(self):
        crew = small(process="hierarchical", manager_agent=REFERENCE)
        assert crew_notes(crew) == [("/manager_agent", "code-reference", "changed")]
        assert parse(imported(crew).document).manager.name == "default"

    def test_is_listed_when_an_import_is_refused(self):
        with pytest.raises(InvalidGraph) as caught:
            imported(with_agent(goal="", apps=["gmail"]))
        assert [problem.code for problem in caught.value.problems] == ["blank"]
        assert [note.code for note in caught.value.notes] == ["outside-service"]

    def test_a_file_is_not_looked_for_on_the_disk(self, tmp_path, monkeypatch):
        (tmp_path / "agents").mkdir()
        (tmp_path / "agents/ann.jsonc").write_text(json.dumps(small()["agents"]["ann"]))
        monkeypatch.chdir(tmp_path)
        assert ("/agents/0", "missing-file") in crew_problems(small(agents=["ann"]))


class TestConfig:
    def test_fills_in_what_an_agent_does_not_say(self):
        crew = with_agent(goal=None, config={"role": "Bob", "goal": "Rest", "apps": ["gmail"]})
        (agent,) = parse(imported(crew).document).agents
        assert (agent.role, agent.goal) == ("Ann", "Rest")
        assert crew_notes(crew) == [("/agents/ann/config/apps", "outside-service", "changed")]


class TestPlanning:
    @pytest.mark.parametrize(
        ("fields", "attempts"),
        [
            ({"planning": True}, 1),
            ({"planning_config": {}}, 3),
            ({"planning_config": {"max_attempts": 2}}, 2),
            ({"reasoning": True, "max_reasoning_attempts": 4}, 4),
            ({"reasoning": True, "planning": True}, 3),
            (
                {
                    "planning_config": {"max_attempts": 2},
                    "planning": True,
                    "reasoning": True,
                    "max_reasoning_attempts": 4,
                },
                2,
            ),
        ],
    )
    def test_the_configuration_wins(self, fields, attempts):
        (agent,) = parse(imported(with_agent(**fields)).document).agents
        assert (agent.reasoning, agent.max_reasoning_attempts) == (True, attempts)

    def test_what_graphs_do_not_have(self):
        config = {"max_steps": 5, "reasoning_effort": "high", "llm": "large"}
        assert crew_notes(with_agent(planning_config=config)) == [
            (f"/agents/ann/planning_config/{field}", "left-out", "changed") for field in config
        ]


class TestCoworkers:
    BOB: t.ClassVar = {"role": "Bob", "goal": "Rest", "backstory": "", "tools": ["nap"]}

    def crew(self, **ann):
        crew = with_agent(**ann)
        crew["agents"]["bob"] = self.BOB
        return crew

    def test_of_an_agent_that_delegates_stay(self):
        found = imported(self.crew(allow_delegation=True))
        assert found.notes == ()
        edge = {"source": "ann", "target": "bob", "type": "coworker"}
        assert edge in found.document["edges"]
        assert [agent.role for agent in parse(found.document).coworkers] == ["Bob"]

    def test_ask_each_other(self):
        crew = self.crew(allow_delegation=True)
        crew["agents"]["bob"] = {**self.BOB, "allow_delegation": True}
        crew["agents"]["cy"] = {**self.BOB, "role": "Cy"}
        edges = imported(crew).document["edges"]
        asked = [(e["source"], e["target"]) for e in edges if e.get("type") == "coworker"]
        assert asked == [("ann", "bob"), ("ann", "cy"), ("bob", "cy")]

    def test_that_nobody_asks_are_left_out_with_their_tools_and_notes(self):
        crew = self.crew()
        crew["agents"]["bob"] = {**self.BOB, "guardrail": REFERENCE, "allow_delegation": True}
        assert crew_notes(crew) == [("/agents/bob", "unused-agent", "info")]
        assert imported(crew).document == imported(small()).document


class TestGuardrailsOfAgents:
    def test_check_their_tasks(self):
        crew = with_agent(guardrail="Cite.", guardrail_max_retries=2)
        (task,) = parse(imported(crew).document).tasks
        assert [each.text for each in task.guardrails] == ["Cite."]
        assert task.guardrail_max_retries == 2
        assert crew_notes(crew) == []

    def test_of_agents_without_a_task_are_missing(self):
        crew = with_agent(allow_delegation=True)
        crew["agents"]["bob"] = {"role": "Bob", "goal": "Rest", "guardrail": "Cite."}
        assert crew_notes(crew) == [("/agents/bob/guardrail", "guardrail-left-out", "unguarded")]


class TestProblems:
    def test_point_into_the_file_that_they_are_in(self):
        ann = {"role": "Ann", "goal": 5, "settings": {"max_iter": 500}}
        assert problems_of("crewai", crewai(small(agents=["ann"]), ann=ann)) == [
            ("/files/agents~1ann.jsonc/goal", "wrong-type"),
            ("/files/agents~1ann.jsonc/settings/max_iter", "out-of-range"),
        ]

    @pytest.mark.parametrize(
        ("crew", "found"),
        [
            (small(agents=[]), ("/tasks/0/agent", "unknown-agent")),
            (small(agents=7), ("/agents", "wrong-type")),
            (small(agents=[7]), ("/agents/0", "missing-name")),
            (small(agents=["x"]), ("/agents/0", "missing-file")),
            (small(tasks={}), ("/tasks", "wrong-type")),
            (small(tasks=[7]), ("/tasks/0", "wrong-type")),
            (small(tasks=[small()["tasks"][0]] * 201), ("/tasks", "too-many")),
            (small(process="consensual"), ("/process", "unknown-process")),
            (small(name=7), ("/name", "wrong-type")),
            (with_agent(tools="search"), ("/agents/ann/tools", "wrong-type")),
            (with_agent(llm=[]), ("/agents/ann/llm", "wrong-type")),
            (with_agent(llm={}), ("/agents/ann/llm/model", "wrong-type")),
            (with_agent(settings=[7]), ("/agents/ann/settings", "wrong-type")),
            (with_task(agent="bob"), ("/tasks/0/agent", "unknown-agent")),
            (with_task(context="do"), ("/tasks/0/context", "wrong-type")),
            (with_task(context=["do"]), ("/tasks/0/context/0", "unknown-task")),
            (with_task(description=None), ("/tasks/0/description", "missing-field")),
            (small(process="hierarchical"), ("/process", "no-manager")),
        ],
    )
    def test_of_shape(self, crew, found):
        assert found in crew_problems(crew)

    def test_of_names_that_are_there_twice(self):
        task = small()["tasks"][0]
        assert crew_problems(small(tasks=[task, task])) == [
            ("/tasks/1/name", "duplicate-task-name")
        ]

    def test_tasks_that_all_read_each_other_are_counted_before_they_are_connected(self):
        tasks = [{**small()["tasks"][0], "name": f"t{at}"} for at in range(60)]
        assert crew_problems(small(tasks=tasks)) == [("/tasks", "too-many")]

    def test_of_formats(self):
        assert problems_of("pickle", crewai(small())) == [("/format", "unknown-format")]

    def test_a_sentence_says_what_is_possible(self):
        with pytest.raises(InvalidGraph) as caught:
            imported(with_task(agent="anne"))
        (problem,) = caught.value.problems
        assert caught.value.detail == f"The files have 1 problem: {problem.detail}"
        assert problem.hint == 'Did you mean "ann"? The agents are "ann".'
