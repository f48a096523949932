"""Finds the JSON Schemas of output classes: in the options, or in Python files."""

from __future__ import annotations

from ..problem_messages import quote
from .draft import Draft
from .import_result import Json
from .import_result import Place
from .name_mapping import Names
from .python_source import PythonProject
from .task_checks import FindSchema


def schema_finder(names: Names, project: PythonProject, draft: Draft) -> FindSchema:
    """Return a function that finds the schema of a class by its name, and notes what it lacks."""

    def find_schema(reference: str, place: Place) -> Json | None:
        if (mapped := names.schema(reference)) is not None:
            return mapped  # type: ignore[no-any-return]
        found = project.find_schema(reference)
        if found is None:
            return None
        schema, at, lost = found
        for sentence in dict.fromkeys(lost):
            detail = f"{sentence} Map {quote(reference)} with the option 'schemas' to say more."
            draft.add_note(at, "schema-shortened", detail, "changed")
        return schema

    return find_schema
