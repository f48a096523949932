"""Python files that stand in for what the host application has registered.

They let CrewAI load an exported project; those who run it there fill them in.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from ..graph import Reference
from ..question import ASK_PERSON

MODULE: t.Final = "registered"
"""Module of the guardrails and predicates."""
_TOOL: t.Final = '''"""Stands in for the tool "{name}", which the application had registered."""

from crewai.tools import BaseTool


class Tool(BaseTool):
    name: str = "{name}"
    description: str = "Write what the tool does."

    def _run(self, text: str = "") -> str:
        raise NotImplementedError("Write the tool '{name}'.")
'''
_ASK_PERSON: t.Final = '''"""Asks the person who runs the crew, at the terminal."""

from crewai.tools import BaseTool


class Tool(BaseTool):
    name: str = "ask_person"
    description: str = "Ask a person a question and wait for the answer."

    def _run(self, question: str, choices: list[str] | None = None) -> str:
        print(question, *(choices or []), sep="\\n- ")
        return input("> ")
'''
_FUNCTION: t.Final = '''

def {name}(output):
    """Stand in for the {kind} that the application had registered."""
    raise NotImplementedError("Write the {kind} '{name}'.")
'''
_NAME: t.Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def tool_reference(name: str) -> str:
    """Return how CrewAI's files name a tool."""
    return f"custom:{name}" if _NAME.fullmatch(name) else name


def function_reference(name: str) -> Mapping[str, str] | None:
    """Return how CrewAI's files name a guardrail or predicate; None if they cannot."""
    return {"python": f"{MODULE}.{name}"} if _NAME.fullmatch(name) else None


def stand_ins(references: Iterable[Reference]) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the files."""
    functions: dict[str, str] = {}
    for kind, name, *_ in references:
        if _NAME.fullmatch(name) and kind == "tool":
            text = _ASK_PERSON if name == ASK_PERSON else _TOOL.format(name=name)
            yield f"tools/{name}.py", text
        elif _NAME.fullmatch(name) and kind in ("guardrail", "predicate"):
            functions.setdefault(name, _FUNCTION.format(name=name, kind=kind))
    if functions:
        title = '"""Stands in for what the application had registered."""\n'
        yield f"{MODULE}.py", title + "".join(functions.values())
