"""Tools that every application has."""

from __future__ import annotations

import inspect
import typing as t

from ..graphs import ASK_PERSON as ASK_PERSON_NAME
from .specs import FunctionToolSpec


def ask_person(question: str, choices: list[str] | None = None) -> str:
    """Ask a person a question and wait for the answer.

    Ask only what you cannot find out otherwise, one thing at a time, and say what the person needs
    to know to answer. With choices, the person picks one of them.
    """
    raise RuntimeError("Only an agent of a graph can ask a person.")


ASK_PERSON: t.Final = FunctionToolSpec(
    name=ASK_PERSON_NAME, description=inspect.getdoc(ask_person) or "", function=ask_person
)
BUILTIN_TOOLS: t.Final = (ASK_PERSON,)
