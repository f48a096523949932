"""CrewAI's ``CrewDefinition`` in memory."""

from __future__ import annotations

import copy
import subprocess
import sys
from importlib import import_module

import pytest

from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs.importers import import_definition
from flask_crewexec.graphs.importers import import_files
from support.graphs.foreign_crews import meaning
from support.graphs.foreign_crews import small

TASK = {"description": "Do more", "expected_output": "Text", "agent": "ann"}


@pytest.fixture(scope="module")
def crew_definition():
    import_module("flask_crewexec.runtime.crewai_shims")  # sets the switches of CrewAI
    return import_module("crewai.project.crew_definition").CrewDefinition


def problems(definition):
    with pytest.raises(InvalidGraph) as caught:
        import_definition(definition)
    return [(problem.pointer, problem.code) for problem in caught.value.problems]


def test_the_object_its_dump_and_its_file_are_the_same_crew(crew_definition):
    crew = small(inputs={"topic": "tea"})
    crew["tasks"].append({**TASK, "name": "more"})
    definition = crew_definition.model_validate(crew)
    found = [import_definition(given) for given in (definition, definition.model_dump(), crew)]
    assert {str(each) for each in found} == {str(found[0])}
    texts = {"crew.jsonc": definition.model_dump_json(exclude_none=True)}
    assert meaning(found[0].document) == meaning(import_files("crewai", texts).document)
    assert meaning(found[0].document)["tasks"][1]["context"] == ["do"]


def test_what_is_left_out_is_listed(crew_definition):
    definition = crew_definition.model_validate(small(memory=True))
    (note,) = import_definition(definition).notes
    assert note[:3] == ("crew.jsonc", "/memory", "left-out")


def test_what_could_do_harm_is_left_out(crew_definition):
    crew = small(manager_agent={"python": "os.system"}, process="hierarchical")
    crew["agents"]["ann"]["mcps"] = ["https://inner.example/mcp"]
    found = import_definition(crew_definition.model_validate(crew))
    assert [note[:3] for note in found.notes] == [
        ("crew.jsonc", "/agents/ann/mcps", "mcp-server"),
        ("crew.jsonc", "/manager_agent", "code-reference"),
    ]
    assert "inner.example" not in str(found.document)


@pytest.mark.parametrize("value", [object(), {1: 2}, float("nan"), {"a"}, b"x", "\ud800"])
def test_what_is_not_json(value):
    ((pointer, _),) = problems(small(inputs={"x": value}))
    assert pointer == "/files/crew.jsonc/inputs/x"


def test_what_is_nested_too_deeply():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert [code for _, code in problems(small(inputs=value))] == ["too-deep"]


def test_the_definition_stays_as_it_is():
    crew = small(inputs={"x": None})
    before = copy.deepcopy(crew)
    import_definition(crew)
    assert crew == before


def test_crewai_is_not_imported():
    program = (
        "import sys; from flask_crewexec.graphs.importers import import_definition;"
        f"import_definition({small()!r}); assert 'crewai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
