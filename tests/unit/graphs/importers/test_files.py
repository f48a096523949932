"""Texts that are to be parsed, whatever is in them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import parse
from flask_crewexec.graphs.importers import FORMATS
from flask_crewexec.graphs.importers import import_files
from flask_crewexec.graphs.importers import Options
from support.graphs.foreign_crews import files_of
from support.graphs.foreign_crews import meaning
from support.graphs.foreign_crews import names_in
from support.graphs.foreign_crews import problems_of
from support.graphs.foreign_crews import small

TASKS = "do: {description: Do it, expected_output: A text, agent: ann}\n"
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def problem_of(format, files):
    with pytest.raises(InvalidGraph) as caught:
        import_files(format, files)
    return caught.value.problems[0]


def jsonc(text):
    problem = problem_of("crewai", {"crew.jsonc": text})
    assert problem.pointer == "/files/crew.jsonc"
    return problem


def yaml(text):
    problem = problem_of("crewai-yaml", {"agents.yaml": text, "tasks.yaml": TASKS})
    assert problem.pointer == "/files/agents.yaml"
    return problem


class TestJson:
    def test_comments_and_trailing_commas(self):
        text = json.dumps(small())[:-1] + ", /* a */ // b\n}"
        assert import_files("crewai", {"crew.jsonc": text}).document["name"] == "Small"

    def test_invalid_json_is_reported_with_its_line(self):
        problem = jsonc('{\n"agents": ]\n}')
        assert problem.code == "invalid-json"
        assert "comments: line 2" in problem.detail

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "invalid-json"),
            ("[]", "wrong-type"),
            ("7 // a", "wrong-type"),
            ('{"a": 1, "a": 2}', "duplicate-field"),
            ('{"a": 1, "a": 2, }', "duplicate-field"),
            ("[" * 50_000, "too-deep"),
            ('{"a":' * 2000 + "1" + "}" * 2000 + "//", "too-deep"),
            ("9" * 5000, "invalid-json"),
        ],
    )
    def test_what_cannot_be_read(self, text, code):
        assert jsonc(text).code == code

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
    def test_numbers_that_json_does_not_have(self, number):
        found = problems_of("crewai", {"crew.jsonc": f'{{"name": {number}}}'})
        assert found == [("/files/crew.jsonc/name", "not-json")]

    def test_more_values_than_any_crew_has(self):
        text = '{"name": [' + "0," * 120_000 + "0]}"
        found = problems_of("crewai", {"crew.jsonc": text})
        assert found == [("/files/crew.jsonc/name", "too-many-values")]

    def test_text_that_cannot_be_stored(self):
        found = problems_of("crewai", {"crew.jsonc": '{"name": "\\u0000"}'})
        assert found == [("/files/crew.jsonc/name", "bad-text")]

    def test_plain_json_may_be_longer_than_json_with_comments(self):
        text = json.dumps(small(x=["long"] * 15_000))
        assert import_files("crewai", {"crew.jsonc": text}).document["name"] == "Small"
        assert jsonc("//\n" + text).code == "too-long"


class TestYaml:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (BOMB, "yaml-alias"),
            ("ann: &a [*a]", "yaml-alias"),
            ("a: &a " + "x" * 40_000 + "\nb: [*a, *a, *a]", "yaml-alias"),
            ("ann: *a", "yaml-alias"),
            ("ann: {<<: *a}", "yaml-alias"),
            ("ann: !!python/object/apply:os.system [id]", "yaml-tag"),
            ("ann: !mine x", "yaml-tag"),
            ("ann: !!timestamp x", "yaml-tag"),
            ("ann: " + "1:" * 5000 + "1.5", "invalid-yaml"),
            ("ann: {role: A, role: B}", "duplicate-field"),
            ("ann: 1\nann: 2", "duplicate-field"),
            ("{[a]: 1}", "invalid-yaml"),
            ("ann: [", "invalid-yaml"),
            ("ann: 1\n---\nbob: 2", "invalid-yaml"),
            ("ann: \x07", "invalid-yaml"),
            ("[" * 5000, "too-deep"),
            ("ann: " + "9" * 5000, "invalid-yaml"),
            ("ann: 2020-99-99", "invalid-yaml"),
            ("#" * 100_001, "too-long"),
        ],
    )
    def test_what_cannot_be_read(self, text, code):
        assert yaml(text).code == code

    def test_an_alias_repeats_a_small_value(self):
        agents = (
            "ann: &ann {role: A, goal: G, backstory: &b Old}\n"
            "bob: {<<: *ann, role: B, backstory: *b}\n"
        )
        tasks = TASKS + TASKS.replace("do:", "too:").replace("ann", "bob")
        found = import_files("crewai-yaml", {"agents.yaml": agents, "tasks.yaml": tasks})
        said = [(agent.role, agent.goal, agent.backstory) for agent in parse(found.document).agents]
        assert said == [("A", "G", "Old"), ("B", "G", "Old")]

    def test_a_problem_is_reported_with_its_line(self):
        assert "line 2, column" in yaml("ann:\n  - [}").detail
        assert "Line 2" in yaml("bob: 1\nann: *a").detail


class TestFiles:
    @pytest.mark.parametrize(
        ("files", "found"),
        [
            ({}, ("/files", "wrong-type")),
            ([], ("/files", "wrong-type")),
            ({"crew.jsonc": 7}, ("/files/crew.jsonc", "wrong-type")),
            ({str(at): "" for at in range(201)}, ("/files", "too-many")),
            ({"crew.jsonc": " " * 600_000, "x": " " * 600_000}, ("/files", "too-long")),
            ({"../crew.jsonc": "{}"}, ("/files", "missing-file")),
        ],
    )
    def test_that_are_refused(self, files, found):
        assert problems_of("crewai", files) == [found]

    def test_slow_texts_count_together(self):
        comment = "//" + "x" * 40_000 + "\n"
        ann = json.dumps({"role": "Ann", "goal": "Help", "backstory": ""})
        files = {name: comment + ann for name in ("agents/a.jsonc", "agents/b.jsonc")}
        crew = comment + json.dumps(small(agents=["a", "b"]))
        found = problems_of("crewai", {"crew.jsonc": crew, **files})
        assert ("/files/agents~1b.jsonc", "too-long") in found


class TestReactFlow:
    def test_there_are_crews_of_many_shapes(self):
        assert len(names_in("flow")) >= 5

    @pytest.mark.parametrize("crew", ["document", "managed", "modelled"])
    def test_a_graph_document_stays_as_it_is(self, crew):
        files = files_of(f"flow/{crew}")
        found = import_files("reactflow", files)
        assert found.document == json.loads(files["graph.json"])
        assert found.notes == ()

    @pytest.mark.parametrize("crew", ["drawing", "tools"])
    def test_a_drawing_gets_what_it_lacks(self, crew):
        found = import_files("reactflow", files_of(f"flow/{crew}"), Options(name="Mine"))
        assert (found.document["name"], found.document["version"]) == ("Mine", 1)
        assert meaning(found.document)["process"] == "sequential"

    def test_the_process_can_be_given(self):
        files = files_of("flow/managed")
        drawing = json.loads(files["graph.json"])
        del drawing["process"]
        texts = {"graph.json": json.dumps(drawing)}
        found = import_files("reactflow", texts, Options(process="hierarchical"))
        assert parse(found.document).manager is not None

    def test_problems_point_into_the_file(self):
        drawing = json.loads(files_of("flow/drawing")["graph.json"])
        drawing["nodes"][0]["data"]["code"] = "import os"
        assert problems_of("reactflow", {"a.json": json.dumps(drawing)}) == [
            ("/files/a.json/nodes/0/data/code", "unknown-field")
        ]

    @pytest.mark.parametrize(
        ("files", "found"),
        [
            ({"a": "{}", "b": "{}"}, ("/files", "one-file")),
            ({"a": "[]"}, ("/files/a", "wrong-type")),
            ({"a": '{"nodes": 7, "edges": []}'}, ("/files/a/nodes", "wrong-type")),
        ],
    )
    def test_files_that_are_refused(self, files, found):
        assert problems_of("reactflow", files) == [found]


def test_nothing_is_imported_of_crewai():
    code = "import sys, flask_crewexec.graphs.importers; print('crewai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"False"


def test_no_text_raises_anything_but_problems():
    texts = ["", "\x00", "{", "null", "- a", "a: b: c", '"', "\ud800", "{}", "%YAML 9", "\ufeff{}"]
    for format in FORMATS:
        for text in texts:
            files = {"crew.jsonc": text, "agents.yaml": text, "tasks.yaml": text}
            files = (
                files if format.startswith("crewai") and format != "crewai-studio" else {"x": text}
            )
            assert problems_of(format, files)
