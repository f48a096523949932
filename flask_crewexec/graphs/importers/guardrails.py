"""Guardrails and JSON outputs of CrewAI's tasks."""

from __future__ import annotations

from ..output_schema import output_schema
from ..problem_messages import kind_of
from ..problem_messages import quote
from .crewai_fields import CLASSES
from .crewai_fields import TASK
from .draft import Draft
from .import_result import Place
from .supported_fields import Fields
from .supported_fields import refuse_harmful


def read_checks(kept: Fields, draft: Draft) -> tuple[Fields, dict[str, Place]]:
    """Return ``guardrails`` and ``output_schema`` for a graph, and the places of rules."""
    rules = _read_rules(kept, draft)
    checks = _read_schema(kept, draft)
    if rules:
        checks["guardrails"] = ([{"text": text} for text, _ in rules], rules[0][1])
    return checks, {f"guardrails/{at}/text": place for at, (_, place) in enumerate(rules)}


def _read_rules(kept: Fields, draft: Draft) -> list[tuple[object, Place]]:
    texts: list[tuple[object, Place]] = []
    for field in ("guardrails", "guardrail"):
        value, place = kept.get(field, (None, Place("")))
        rules = [(value, place)] if value not in (None, "") else []
        if isinstance(value, list):
            rules = [(rule, place / at) for at, rule in enumerate(value)]
        texts += [(rule, at) for rule, at in rules if _is_text(field, rule, at, draft)]
    return texts


def _is_text(field: str, value: object, place: Place, draft: Draft) -> bool:
    if not isinstance(value, str) and not refuse_harmful(field, value, place, TASK, draft):
        detail = f"A guardrail must be text, not {kind_of(value)}, so it is left out."
        draft.add_note(place, "left-out", detail)
    return isinstance(value, str)


def _read_schema(kept: Fields, draft: Draft) -> Fields:
    """Return the first schema, because graphs do not distinguish the classes."""
    schema = Fields()
    for field in CLASSES:
        value, place = kept.get(field, (None, Place("")))
        if value in (None, "", {}) or refuse_harmful(field, value, place, TASK, draft):
            continue
        if fault := output_schema(value):
            detail = f"The field {quote(field)} is left out: it {fault.demand}"
            draft.add_note(place.below(fault.below), "left-out", detail)
        elif schema and schema.value("output_schema") != value:
            draft.add_note(
                place, "left-out", f"A task has one schema, so {quote(field)} is left out."
            )
        else:
            schema.setdefault("output_schema", (value, place))
    return schema
