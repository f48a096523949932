"""Examples of answers, each a component of the same name as its schema."""

from __future__ import annotations

import functools
import json
import typing as t
from importlib import resources

import marshmallow as ma
from apispec import APISpec

from .converter import name_of

Json = dict[str, t.Any]


def examples_of(schema: ma.Schema) -> Json:
    """Return what describes the example of an answer; nothing if there is none."""
    name = name_of(schema)
    if name not in _examples():
        return {}
    return {"examples": {name: {"$ref": f"#/components/examples/{name}"}}}


def add_examples(spec: APISpec) -> None:
    """Add the examples of the schemas that the document has."""
    for name in sorted(_examples().keys() & spec.components.schemas.keys()):
        spec.components.example(name, {"value": _examples()[name]})


@functools.cache
def _examples() -> dict[str, Json]:
    text = resources.files(__package__).joinpath("examples.json").read_text("utf-8")
    return t.cast(dict[str, Json], json.loads(text))
