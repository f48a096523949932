"""Guardrails, conditions and JSON outputs of CrewAI's agents and tasks."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ..output_schema import output_schema
from ..problem_messages import kind_of
from ..problem_messages import quote
from .crewai_fields import CLASSES
from .crewai_fields import EMPTY
from .draft import Draft
from .import_result import Json
from .import_result import Place
from .name_mapping import Names
from .supported_fields import Fields

Rules = list[tuple[Json, Place]]
"""Guardrails of a graph, and where they come from."""
FindSchema = Callable[[str, Place], Json | None]
"""Returns the JSON Schema of a class, by its name."""


class TaskChecks:
    """Reads what an answer must fulfil, and when its task runs."""

    def __init__(self, draft: Draft, names: Names, find_schema: FindSchema) -> None:
        self._draft = draft
        self._names = names
        self._find_schema = find_schema

    def rules(self, kept: Fields) -> Rules:
        """Return the guardrails of an agent or task."""
        found: Rules = []
        for field in ("guardrails", "guardrail"):
            value, place = kept.get(field, (None, Place("")))
            values = [(value, place)] if value not in EMPTY else []
            if isinstance(value, list):
                values = [(rule, place / at) for at, rule in enumerate(value)]
            found += [(rule, at) for each, at in values if (rule := self._rule(each, at))]
        return found

    def _rule(self, value: object, place: Place) -> Json | None:
        if isinstance(value, str):
            return {"text": value}
        reference = reference_of(value)
        if reference is not None and (name := self._names.guardrail(reference)):
            return {"name": name}
        shown = kind_of(value) if reference is None else quote(reference)
        detail = (
            f"No guardrail is registered for {shown}, so nothing checks this."
            " Register one, and map it with the option 'guardrails', or write a text."
        )
        self._draft.add_note(place, "guardrail-left-out", detail, "unguarded")
        return None

    def condition(self, kept: Fields) -> tuple[str, Place] | None:
        """Return the predicate that decides whether a task runs."""
        value, place = kept.get("condition", (None, Place("")))
        if value in EMPTY:
            return None
        reference = value if isinstance(value, str) else reference_of(value)
        name = None if reference is None else self._names.predicate(reference)
        if name is not None:
            return name, place
        shown = "this condition" if reference is None else f"the condition {quote(reference)}"
        detail = (
            f"No predicate is registered for {shown}, so the task always runs."
            " Register one, and map it with the option 'predicates'."
        )
        self._draft.add_note(place, "condition-left-out", detail, "unguarded")
        return None

    def schema(self, kept: Fields) -> tuple[Json, Place] | None:
        """Return the first schema of a task, because graphs do not distinguish the classes."""
        found: tuple[Json, Place] | None = None
        for field in CLASSES:
            value, place = kept.get(field, (None, Place("")))
            if value in EMPTY or (schema := self._read_schema(field, value, place)) is None:
                continue
            if found and found[0] != schema:
                detail = f"A task has one schema, so {quote(field)} is left out."
                self._draft.add_note(place, "left-out", detail)
            else:
                found = found or (schema, place)
        return found

    def _read_schema(self, field: str, value: t.Any, place: Place) -> Json | None:
        reference = value if isinstance(value, str) else reference_of(value)
        schema = value if reference is None else self._find_schema(reference, place)
        if schema is None:
            detail = (
                f"The class {quote(str(reference))} is not in the files, so answers are texts."
                " Send the file that defines it, or map it with the option 'schemas'."
            )
            self._draft.add_note(place, "schema-left-out", detail)
        elif fault := output_schema(schema):
            at = place.below(fault.below) if reference is None else place
            detail = f"The field {quote(field)} is left out: it {fault.demand}"
            self._draft.add_note(at, "schema-left-out", detail)
        else:
            return t.cast(Json, schema)
        return None


def reference_of(value: object) -> str | None:
    """Return ``checks.is_short`` for ``{"python": "checks.is_short"}``, None for other values."""
    if isinstance(value, dict) and value.keys() == {"python"} and isinstance(value["python"], str):
        return value["python"]
    return None
