"""Graphs as CrewAI's files, and back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs.exporters import export_crewai
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Options
from support.graphs.builders import agent
from support.graphs.builders import document
from support.graphs.builders import hierarchical
from support.graphs.builders import llm
from support.graphs.builders import sequential
from support.graphs.builders import task
from support.graphs.builders import tool
from support.graphs.foreign_crews import files_of
from support.graphs.foreign_crews import meaning
from support.graphs.foreign_crews import names_in

MANAGED = Options(process="hierarchical", manager_agent="boss")


def back(exported):
    found = import_files("crewai", exported.files)
    assert found.notes == ()
    return found.document


def cases():
    folders = {"crewai": "crewai", "classic": "crewai-yaml", "flow": "reactflow"}
    folders.update(studio="crewai-studio", langflow="langflow")
    for folder, format in folders.items():
        for crew in names_in(folder):
            options = MANAGED if crew == "managed" and folder == "classic" else Options()
            yield pytest.param(format, f"{folder}/{crew}", options, id=f"{folder}-{crew}")


class TestThereAndBack:
    @pytest.mark.parametrize(("format", "crew", "options"), [*cases()])
    def test_crews_of_every_format(self, format, crew, options):
        original = import_files(format, files_of(crew), options).document
        exported = export_crewai(original)
        returned = back(exported)
        assert meaning(returned) == meaning(original)
        assert export_crewai(returned).files == exported.files

    def test_everything_that_an_agent_and_a_task_can_say(self):
        said = {"backstory": "Old\n", "allow_delegation": True, "max_iter": 3}
        nodes = [
            agent("a:b", role=" Rôle  {x} ", **said),
            agent("A_b"),
            task("t1", name="Name the {thing} / «ü»", description='"quoted" // no comment'),
            task("t2", expected_output="/* text */ ,}"),
            task("A_b.", name="A_b"),
            tool("s", "search"),
            tool("c", "count"),
            llm("m", "small", temperature=0, max_tokens=5),
            llm("n", "large"),
        ]
        edges = ["a:b t1", "A_b t2", "A_b A_b.", "t1 t2", "t2 A_b.", "t1 A_b.", "s a:b", "c a:b"]
        original = document(nodes, *edges, "s t2", "m a:b", "n A_b")
        exported = export_crewai(original)
        assert sorted(exported.files) == [
            *("agents/A_b_2.jsonc", "agents/a_b.jsonc", "crew.jsonc"),
            *("tools/count.py", "tools/search.py"),
        ]
        assert meaning(back(exported)) == meaning(original)

    def test_how_answers_are_made_and_checked(self):
        reasons = {"reasoning": True, "max_reasoning_attempts": 2, "inject_date": True}
        rules = [{"text": "Be kind."}, {"text": "Be short."}]
        schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
        nodes = [
            agent("a", **reasons),
            task("t", markdown=True, guardrails=rules, guardrail_max_retries=0, human_input=True),
            task("u", **{"async": True}),
            task("v", output_schema=schema),
        ]
        edges = ["a t", "a u", "a v", "t u", "u v"]
        for model in ({}, {"planning_model": "large"}):
            original = document(nodes, *edges, planning=True, **model)
            assert meaning(back(export_crewai(original))) == meaning(original)

    def test_a_manager_with_a_model_of_its_own(self):
        original = hierarchical()
        original["nodes"].append(llm("m", temperature=1.5))
        original["edges"].append({"source": "m", "target": "boss"})
        assert meaning(back(export_crewai(original))) == meaning(original)

    def test_ids_stay_where_no_names_hide_them(self):
        ids = [node["id"] for node in back(export_crewai(sequential()))["nodes"]]
        assert ids == ["writer", "write"]

    def test_defaults_of_inputs(self):
        original = document([agent("a", goal="{b} {x}"), task("t", description="{y}")], "a t")
        original["inputs"] = {"b": {"default": {"c": [1.5]}}, "x": {"default": ""}, "y": {}}
        exported = export_crewai(original)
        assert json.loads(exported.files["crew.jsonc"])["inputs"] == {"b": {"c": [1.5]}, "x": ""}
        assert [note.code for note in exported.notes] == ["registered-name"]
        assert meaning(back(exported)) == meaning(original)

    def test_inputs_that_only_rules_use(self):
        rules = [{"text": "Short."}, {"text": "About {x}."}]
        original = document([agent("a"), task("t", description="{y}", guardrails=rules)], "a t")
        original["inputs"] = {"x": {}, "y": {"default": 1}}
        assert meaning(back(export_crewai(original))) == meaning(original)

    def test_a_task_that_reads_nothing_goes_on_reading_nothing(self):
        nodes = [agent("a"), task("b"), task("c")]
        exported = export_crewai(document(nodes, "a b", "a c"))
        tasks = json.loads(exported.files["crew.jsonc"])["tasks"]
        assert [told["context"] for told in tasks] == [[], []]

    def test_the_tool_that_asks_people_asks_at_the_terminal(self):
        nodes = [agent("a"), task("t"), tool("s", name="ask_person")]
        original = document(nodes, "a t", "s a")
        exported = export_crewai(original)
        text = exported.files["tools/ask_person.py"].replace("(BaseTool)", "")
        code = text.replace("from crewai.tools import BaseTool", "")
        asked = subprocess.run(
            [sys.executable, "-c", f"{code}\nprint(Tool()._run('Which?', ['red', 'blue']))"],
            input="red\n",
            capture_output=True,
            text=True,
            check=True,
        )
        assert asked.stdout == "Which?\n- red\n- blue\n> red\n"
        assert "terminal" in exported.notes[0].detail
        assert meaning(back(exported)) == meaning(original)


class TestNotes:
    def notes(self, document):
        return [(note.pointer, note.code) for note in export_crewai(document).notes]

    def test_of_names_that_only_the_host_knows(self):
        nodes = [agent("a"), agent("b"), task("t"), task("u"), tool("s"), llm("m")]
        assert self.notes(document(nodes, "a t", "b u", "s a", "m a")) == [
            ("/nodes/4/data/name", "registered-name"),
            ("/nodes/5/data/name", "registered-name"),
            ("/nodes/1", "registered-name"),
        ]

    def test_of_what_is_registered_as_code(self):
        nodes = [agent("a"), task("t"), task("u", guardrails=[{"name": "g"}], condition="c")]
        assert self.notes(document(nodes, "a t", "a u", "t u"))[1:] == [
            ("/nodes/2/data/condition", "registered-name"),
            ("/nodes/2/data/guardrails/0/name", "registered-name"),
        ]

    def test_of_what_no_function_can_be_called(self):
        nodes = [agent("a"), task("t", guardrails=[{"name": "no urls"}])]
        assert ("/nodes/1/data/guardrails/0/name", "left-out") in self.notes(document(nodes, "a t"))

    def test_of_calls_that_must_not_be_repeated(self):
        nodes = [agent("a"), task("t"), tool("s", on_unknown="fail")]
        assert ("/nodes/2/data/on_unknown", "left-out") in self.notes(document(nodes, "a t", "s a"))

    def test_of_who_answers_questions(self):
        ask = tool("s", "ask_person", assignees={"users": ["ann"]}, expires_in=9)
        exported = document([agent("a"), task("t"), ask], "a t", "s a")
        assert ("/nodes/2/data", "left-out") in self.notes(exported)
        for name in ("assignees", "expires_in"):
            del ask["data"][name]
        assert ("/nodes/2/data", "left-out") not in self.notes(exported)

    def test_of_descriptions_and_drawings(self):
        drawn = sequential()
        drawn["nodes"][0]["position"] = {"x": 0, "y": 0}
        drawn["description"] = "What it is for"
        assert self.notes(drawn)[:2] == [("/description", "left-out"), ("/nodes", "left-out")]

    def test_of_what_inputs_are_besides_defaults(self):
        declared = {
            "a": {"type": "string", "default": "x"},
            "b": {"required": False},
            "c": {"default": 1},
            "d": {},
        }
        drawn = {**sequential(), "inputs": declared}
        assert self.notes(drawn)[:2] == [("/inputs/a", "left-out"), ("/inputs/b", "left-out")]
        del declared["a"], declared["c"]
        assert self.notes(drawn)[:2] == [("/inputs", "left-out"), ("/inputs/b", "left-out")]

    def test_of_inputs_that_only_tools_read(self):
        original = document([agent("a"), task("t", description="{y}")], "a t")
        original["inputs"] = {"quiet": {}, "y": {"default": 1}}
        found = [(note.pointer, note.code) for note in export_crewai(original).notes]
        assert ("/inputs/quiet", "left-out") in found


class TestRefusals:
    def test_a_document_with_problems(self):
        with pytest.raises(InvalidGraph):
            export_crewai(document([]))

    def test_a_tool_that_crewai_would_import(self):
        original = document([agent("a"), task("t"), tool("s", "os:system")], "a t", "s a")
        with pytest.raises(InvalidGraph) as caught:
            export_crewai(original)
        assert caught.value.problems[0][:2] == ("/nodes/2/data/name", "code-reference")
