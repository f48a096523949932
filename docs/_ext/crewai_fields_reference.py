"""``.. crewai-fields:: kind`` lists the fields of CrewAI, and what becomes of each."""

from __future__ import annotations

import typing as t

from generated import GeneratedDirective
from generated import Lines
from generated import literal
from generated import phrase
from generated import table
from sphinx.application import Sphinx

from flask_crewexec.graphs.importers import crewai_fields
from flask_crewexec.graphs.importers.crewai_fields import Kind

_KINDS: t.Final[dict[str, Kind]] = {
    "agent": crewai_fields.AGENT,
    "task": crewai_fields.TASK,
    "crew": crewai_fields.CREW,
    "model": crewai_fields.MODEL,
    "planning": crewai_fields.PLANNING,
}


class CrewaiFieldsDirective(GeneratedDirective):
    """The argument is ``agent``, ``task``, ``crew``, ``model`` or ``planning``."""

    required_arguments = 1

    def lines(self) -> Lines:
        """Yield a table of the fields."""
        kind = _KINDS[self.arguments[0]]
        kept = [(name, "kept", meaning) for name, meaning in kind.supported.items()]
        omitted = [
            (name, omission.severity, omission.advice) for name, omission in kind.omitted.items()
        ]
        rows = (
            (literal(name), literal(what) if what != "kept" else what, phrase(meaning))
            for name, what, meaning in sorted([*kept, *omitted])
        )
        yield from table(("Field", "Import", "What it becomes, or what to do"), rows)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("crewai-fields", CrewaiFieldsDirective)
    return {"parallel_read_safe": True}
