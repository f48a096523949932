"""Guardrails and predicates that graphs may name."""

from __future__ import annotations

import typing as t

from flask_crewexec import current_execution

from .extensions import crewexec
from .tools import NOTHING_FOUND


@crewexec.guardrail("within_length")
def within_length(answer: str) -> bool | str:
    """Reject answers with more words than the input 'words' allows, if there is one."""
    limit, words = current_execution.inputs.get("words"), len(answer.split())
    if limit is None or words <= limit:
        return True
    return f"The answer has {words} words; at most {limit} are allowed."


@crewexec.predicate("notes_found")
def notes_found(text: str, json: dict[str, t.Any] | None) -> bool:
    """Return whether the previous step has found a note."""
    return bool(text) and NOTHING_FOUND not in text
