"""CrewAI's tasks with what ours can do beyond them."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping

from pydantic import PrivateAttr

from .crewai_setup import crewai
from .crewai_setup import get_i18n


class Step(crewai.Task):
    """A task whose answer may have to follow a JSON Schema.

    Not by CrewAI's ``output_json``: it makes calls of its own where an answer does not fit, past
    our connections and limits, fetches references, and gives null for what was left out.
    """

    _schema: Mapping[str, t.Any] | None = PrivateAttr(default=None)

    def demand(self, schema: Mapping[str, t.Any] | None) -> None:
        """Let whoever does the task know which *schema* the answer is to follow."""
        self._schema = schema

    def prompt(self) -> str:
        """Return what is to be done."""
        told: str = super().prompt()
        if self._schema is None:
            return told
        schema = json.dumps(self._schema, ensure_ascii=False)
        wanted = get_i18n().slice("formatted_task_instructions").replace("{output_format}", schema)
        return f"{told}\n{wanted}"
