"""Notes about what a crew's class does besides its agents and tasks."""

from __future__ import annotations

import typing as t

from ...problem_messages import quote
from ..draft import Draft
from ..import_result import Place
from .values import Class
from .values import Function

_KNOWN_BASES: t.Final = ("object", "ABC", "Protocol", "CrewBase")
_HOOKS: t.Final[dict[str, tuple[str, t.Literal["changed", "unguarded"]]]] = {
    "before_kickoff": ("changes the inputs; send them as it would", "changed"),
    "after_kickoff": ("changes the result; do it where you read the result", "changed"),
    "before_llm_call": ("may stop calls of models; register a guardrail instead", "unguarded"),
    "after_llm_call": ("may change answers; register a guardrail instead", "changed"),
    "before_tool_call": ("may stop calls of tools; do it in the tools", "unguarded"),
    "after_tool_call": ("may change what tools return; do it in the tools", "changed"),
    "on": ("follows events; read the events of the execution", "changed"),
}


def note_hooks(cls: Class, place: Place, draft: Draft) -> None:
    """Note decorated methods of a crew that have no meaning here, and bases that are unknown."""
    for each in cls.lineage():
        for name, member in each.members.items():
            if isinstance(member, Function):
                for decorator in member.decorators:
                    if decorator in _HOOKS:
                        effect, severity = _HOOKS[decorator]
                        detail = (
                            f"Line {member.node.lineno}: {quote(name)} is left out. It {effect}."
                        )
                        draft.add_note(place / name, "code-reference", detail, severity)
    for base in cls.outside_bases():
        if base.last not in _KNOWN_BASES:
            detail = f"The class {quote(base.name)} is not in the files. Send the file with it."
            draft.add_note(place, "base-class", detail, "changed")
