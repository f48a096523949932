"""The statements of a run are short enough for psycopg to remember how it reads them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask
from psycopg import _queries

from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.graphs import documents
from support.in_process import run
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

MAX_LENGTH = _queries.MAX_CACHED_STATEMENT_LENGTH
MAX_PARAMETERS = _queries.MAX_CACHED_STATEMENT_PARAMS


@pytest.mark.postgresql
def test_a_run_with_tools_and_a_guardrail(app: Flask, api: Api, model: ScriptedModel) -> None:
    """Otherwise psycopg parses them each time, which takes a twentieth of the time of a run."""
    words = "count_words", {"text": "a b c"}
    for step in ("Do a", "Do b"):
        for results in (0, 1):
            model.add(Turn(when=step, raw=tool_calls(words), results=results))
        model.add(Turn(when=step, reply="Done.", results=2))
    document = documents.chain("a", "b", tools=("count_words",))
    id = api.queue(documents.with_data(document, "b", guardrails=[{"name": "no_urls"}]))
    sent: list[tuple[str, int]] = []

    def note(_: object, __: object, statement: str, given: list[object], *___: object) -> None:
        sent.append((statement, len(given)))

    sa.event.listen(app.extensions["crewexec"].database.engine, "before_cursor_execute", note)
    assert run(id) == "completed"
    assert len(sent) > 10
    assert [text for text, _ in sent if len(text.encode()) > MAX_LENGTH] == []
    assert [text for text, given in sent if given > MAX_PARAMETERS] == []
