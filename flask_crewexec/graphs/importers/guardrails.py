"""What CrewAI's tasks demand of answers: guardrails and JSON."""

from __future__ import annotations

from ..output_schema import output_schema
from ..problem_messages import kind_of
from ..problem_messages import quote
from .crewai_fields import CLASSES
from .crewai_fields import Fields
from .crewai_fields import refuse_harm
from .crewai_fields import TASK
from .draft import Draft
from .import_result import Place


def read_checks(kept: Fields, draft: Draft) -> tuple[Fields, dict[str, Place]]:
    """Return ``guardrails`` and ``output_schema`` as a graph says them, and the places of rules."""
    rules = _read_rules(kept, draft)
    read = _read_schema(kept, draft)
    if rules:
        read["guardrails"] = ([{"text": text} for text, _ in rules], rules[0][1])
    return read, {f"guardrails/{at}/text": place for at, (_, place) in enumerate(rules)}


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
    if not isinstance(value, str) and not refuse_harm(field, value, place, TASK, draft):
        detail = f"A guardrail must be text here, not {kind_of(value)}, so it is left out."
        draft.note(place, "not-carried", detail)
    return isinstance(value, str)


def _read_schema(kept: Fields, draft: Draft) -> Fields:
    """Return the first schema; those of several classes mean the same to a graph."""
    read = Fields()
    for field in CLASSES:
        value, place = kept.get(field, (None, Place("")))
        if value in (None, "", {}) or refuse_harm(field, value, place, TASK, draft):
            continue
        if fault := output_schema(value):
            detail = f"The field {quote(field)} is left out: it {fault.demand}"
            draft.note(place.below(fault.below), "not-carried", detail)
        elif read and read.value("output_schema") != value:
            draft.note(
                place, "not-carried", f"A task has one schema, so {quote(field)} is left out."
            )
        else:
            read.setdefault("output_schema", (value, place))
    return read
