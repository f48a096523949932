"""Reviews of tasks that a manager delegates, and of agents that call tools."""

from __future__ import annotations

from collections import Counter

import pytest
import sqlalchemy as sa

from support.graphs import documents
from support.in_process import run
from support.input_requests import answer
from support.input_requests import open_request
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

pytestmark = pytest.mark.libraries

ORDER = {"task": "Dig a hole", "context": "none", "coworker": "Writer"}


@pytest.fixture
def written(app):
    """A function that returns the notes that a tool has written."""
    session, query = app.extensions["sqlalchemy"].session, sa.text("select text from note")
    return lambda: Counter(session.execute(query).scalars())


@pytest.fixture
def delegated(api, model):
    """An execution whose manager has let a coworker call a tool, and whose answer waits."""
    nodes = [
        documents.agent("boss"),
        documents.agent("writer"),
        documents.task("a"),
        documents.named("write_note", "tool"),
    ]
    edges = ["boss writer manager", "writer a", "write_note writer"]
    document = documents.crew(nodes, edges, process="hierarchical")
    note = ("write_note", {"text": "dug"})
    model.add(
        Turn(when="deeper", reply="DEEP"),
        Turn(when="Dig a hole", raw=tool_calls(note), results=0),
        Turn(when="Dig a hole", reply="DUG", results=1),
        Turn(raw=tool_calls(("delegate_work_to_coworker", ORDER)), results=0),
        Turn(reply="DONE", results=1),
    )
    id = api.queue(documents.with_data(document, "a", human_input=True))
    assert run(id) == "waiting_input"
    assert open_request(api, id)["draft"] == {"text": "DONE"}
    assert len(model.calls) == 4
    return id


class TestHierarchicalCrew:
    def test_an_approved_answer_delegates_nothing_again(self, api, model, delegated, written):
        answer(api, delegated, "approve")
        assert run(delegated) == "completed"
        assert api.status(delegated)["result"]["raw"] == "DONE"
        assert len(model.calls) == 4
        assert written() == {"ada: dug": 1}

    def test_a_change_is_one_call_of_the_manager(self, api, model, delegated, written):
        answer(api, delegated, "change", text="deeper")
        assert run(delegated) == "waiting_input"
        assert len(model.calls) == 5
        assert "DONE" in model.calls[-1].prompt
        assert open_request(api, delegated)["draft"] == {"text": "DEEP"}
        answer(api, delegated, "edit", text="MINE")
        assert run(delegated) == "completed"
        assert api.status(delegated)["result"]["raw"] == "MINE"
        assert len(model.calls) == 5
        assert written() == {"ada: dug": 1}
