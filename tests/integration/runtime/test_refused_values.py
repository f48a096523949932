"""A database that refuses to store what a run has produced."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_crewexec.app_state import current_app_state
from flask_crewexec.testing import Rule
from support.graphs import documents

from .test_runner import run

pytestmark = [pytest.mark.libraries, pytest.mark.postgresql]

_FUNCTION = """
CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN
    RAISE EXCEPTION 'this value cannot be stored' USING ERRCODE = '22P05';
END $$ LANGUAGE plpgsql
"""
_TRIGGER = """
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW
WHEN (NEW.{column}::text LIKE '%poison%') EXECUTE FUNCTION refuse()
"""


@pytest.fixture
def refuse(app):
    """Return a function that lets the database refuse a word in a column."""

    def install(table, column):
        with current_app_state().database.engine.begin() as connection:
            connection.execute(sa.text(_FUNCTION))
            connection.execute(sa.text(_TRIGGER.format(table=table, column=column)))

    return install


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("crewexec_step", "output"),
        ("crewexec_execution", "result"),
        ("crewexec_event", "data"),
    ],
)
def test_the_run_is_paid_once_and_ends(api, model, refuse, table, column):
    refuse(table, column)
    model.add(Rule(tool=("no_such_poison", {}), after_tool=False, times=1))
    model.on("Do a", "poison")
    id = api.queue(documents.chain("a", tools=("say",)))
    assert run(id) == "failed"
    status = api.status(id)
    assert status["error"]["code"] == "storage-refused-value"
    assert status["usage"]["llm_calls"] == len(model.calls)
    assert status["usage"]["total_tokens"] > 0
    assert run(id) == "not-claimed"


def test_a_message_that_is_refused_is_left_out(api, model, refuse):
    refuse("crewexec_execution", "error")
    refusal = b'{"choices": [{"message": {"refusal": "poison"}}]}'
    model.add(Rule(raw=refusal))
    id = api.queue(documents.chain("a"))
    assert run(id) == "failed"
    error = api.status(id)["error"]
    assert (error["code"], "poison" in error["message"]) == ("storage-refused-value", False)
    assert len(model.calls) == 1
