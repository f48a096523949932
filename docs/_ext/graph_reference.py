"""``.. graph-fields:: part`` describes the fields of a part of a graph's document.

The content says what each field means, as a field list; type, limits and default come from the
code, which must know exactly these fields.
"""

from __future__ import annotations

import json
import re
import typing as t

from generated import GeneratedDirective
from generated import Lines
from generated import literal
from generated import phrase
from generated import table
from sphinx.application import Sphinx

from flask_crewexec.graphs.fields import Field
from flask_crewexec.graphs.schema import fields_of

_MEANING: t.Final = re.compile(r"^:(\w+): *(.*)$")


class GraphFieldsDirective(GeneratedDirective):
    """The argument names the part as :func:`fields_of` does."""

    required_arguments = 1

    def lines(self) -> Lines:
        """Yield a table of the fields."""
        fields = fields_of(self.arguments[0])
        meanings = _meanings("\n".join(self.content))
        if meanings.keys() != fields.keys():
            different = sorted(meanings.keys() ^ fields.keys())
            raise self.error(f"Explained here or known to the code, but not both: {different}")
        rows = (
            (literal(name), _accepted(field), _default(field), meanings[name])
            for name, field in fields.items()
        )
        yield from table(("Field", "Value", "Default", "Meaning"), rows)


def _meanings(content: str) -> dict[str, str]:
    joined = re.sub(r"\n +", " ", content)
    found = map(_MEANING.match, joined.splitlines())
    return {each[1]: each[2] for each in found if each}


def _accepted(field: Field) -> str:
    return re.sub(r'"([^"]+)"', r"``\1``", phrase(field.check.accepted))


def _default(field: Field) -> str:
    if field.required:
        return "required"
    return "" if field.default in (None, ()) else literal(json.dumps(field.default))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("graph-fields", GraphFieldsDirective)
    return {"parallel_read_safe": True}
