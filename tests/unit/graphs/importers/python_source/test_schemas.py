"""Classes of Pydantic as JSON Schemas, compared with those that Pydantic makes."""

from __future__ import annotations

import json

import jsonschema
import pydantic
import pytest

from flask_crewexec.graphs import parse
from flask_crewexec.graphs.importers import import_files

HEAD = """
from __future__ import annotations
import enum
from datetime import date
from typing import Annotated, Any, Dict, List, Literal, Optional, Union
from pydantic import BaseModel, Field
"""
CREW = """
a = Agent(role="A", goal="G", backstory="B")
t = Task(description="D", expected_output="E", agent=a, output_pydantic=Report)
crew = Crew(agents=[a], tasks=[t])
"""
FIELDS: dict[str, list[object]] = {
    "text: str": ["a"],
    "number: int": [1, "x"],
    "score: float = Field(..., ge=0, lt=1)": [0.5, 1, -1],
    "flag: bool = False": [True, 1],
    "note: Optional[str] = None": ["a", None, 1],
    "note: str | None": [None, 1],
    "kind: Literal['a', 'b']": ["a", "c"],
    "either: Union[int, List[str]]": [1, ["a"], [1]],
    "names: list[str] = Field(min_length=1, max_length=2)": [["a"], [], ["a", "b", "c"]],
    "counts: Dict[str, int] = Field(default_factory=dict)": [{"a": 1}, {"a": "x"}],
    "title: str = Field('x', description='What', max_length=3)": ["abc", "abcd"],
    "anything: Any": [1, None, []],
    "age: Annotated[int, Field(ge=18)]": [18, 17],
    "inner: Inner": [{"x": 1}, {"x": "a"}, {}],
    "inners: List[Inner] = []": [[{"x": 1}], [{}], []],
    "colour: Colour": ["red", "blue"],
    "pairs: list[dict[str, list[int]]]": [[{"a": [1]}], [{"a": ["x"]}]],
    "quoted: 'list[Inner]'": [[{"x": 1}], [1]],
}
CLASSES = """
class Colour(str, enum.Enum):
    RED = "red"

class Inner(BaseModel):
    x: int

class Base(BaseModel):
    model_config = {"title": "Report"}
    base: str = "b"

class Report(Base):
    %s
"""


def schema(text, **options):
    found = import_files("crewai", {"crew.py": HEAD + text + CREW}, **options)
    return parse(found.document).tasks[0].output_schema, found.notes


@pytest.mark.parametrize("field", FIELDS)
def test_says_what_pydantic_says(field):
    text = CLASSES % field
    found, notes = schema(text)
    assert notes == ()
    names: dict[str, type[pydantic.BaseModel]] = {"__name__": "models"}  # type: ignore[dict-item]
    exec(compile(HEAD + text, "models", "exec", dont_inherit=True), names)  # noqa: S102
    names["Report"].model_rebuild(_types_namespace=names)
    known = names["Report"].model_json_schema()
    assert found.get("required", []) == known.get("required", [])
    assert found["properties"].keys() == known["properties"].keys()
    name = field.partition(":")[0]
    for value in FIELDS[field]:
        answers = [
            jsonschema.Draft202012Validator(each).is_valid({name: value}) for each in (found, known)
        ]
        assert answers[0] == answers[1], (value, json.dumps(found), json.dumps(known))


@pytest.mark.parametrize(
    "field",
    [
        "x: Unknown",
        "x: list[Unknown]",
        "x: str = Field(pattern='a+')",
        "x: Optional['Report'] = None",
        "x: int\n    @field_validator('x')\n    def check(cls, value): ...",
    ],
)
def test_notes_what_it_does_not_say(field):
    _, notes = schema(CLASSES % field)
    assert [(note.code, note.severity) for note in notes] == [("schema-shortened", "changed")]


def test_of_another_file():
    text = "from .models import Report\n"
    files = {"crew.py": text + CREW, "models.py": HEAD + CLASSES % "x: int"}
    found = import_files("crewai", files)
    read = parse(found.document).tasks[0].output_schema
    assert read is not None
    assert read["required"] == ["x"]


def test_that_was_not_sent():
    found = import_files("crewai", {"crew.py": "from models import Report\n" + CREW})
    assert [note.code for note in found.notes] == ["schema-left-out"]
    assert parse(found.document).tasks[0].output_schema is None
