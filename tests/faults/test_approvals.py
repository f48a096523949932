"""Approvals of tool calls when nobody answers, and when processes die at each of their writes."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid

import pytest
import sqlalchemy as sa

from flask_crewexec import Approval
from flask_crewexec.app_state import current_app_state
from support.graphs import documents
from support.in_process import run
from support.in_process import stored_calls
from support.input_requests import answer
from support.input_requests import requests_of
from support.scripted_turns import Call
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


def note(text: str) -> Call:
    return "write_note", {"text": text}


def approved_note(text: str) -> Call:
    return "write_approved_note", {"text": text}


def in_flight(id: str, text: str) -> int:
    """How often a note may have been written without its end being stored."""
    asked = {"arguments": {"text": text}}
    return sum(call.status == "unknown" and call.request == asked for call in stored_calls(id))


class TestKilledRun:
    """A process is killed before and after each of its writes."""

    @pytest.fixture
    def queued(self, api, model):
        model.add(Turn(raw=tool_calls(note("one"), approved_note("two")), results=0))
        model.add(Turn(reply="DONE", results=2))
        document = documents.chain("a", tools=("write_note", "write_approved_note"))
        return lambda: api.queue(document)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_before_it_waits_asks_once(self, api, model, queued, killed, notes, when):
        for at in itertools.count():
            asked, id = len(model.calls), queued()
            printed = killed(id, at, when)
            if api.status(id)["status"] == "queued":
                assert run(id) == "waiting_input"
            assert len(requests_of(api, id, status="open")) == 1
            written = notes()
            assert written.keys() == {"one"}
            assert written["one"] <= 1 + in_flight(id, "one")
            answer(api, id, "approve")
            assert run(id) == "completed"
            assert notes() == {"two": 1}
            lost = sum(call.status == "started" for call in stored_calls(id))
            assert len(model.calls) - asked <= 2 + lost
            if printed:
                break
        assert at >= 3

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_after_the_answer_makes_the_call_once(self, api, model, queued, killed, notes, when):
        for at in itertools.count():
            asked, id = len(model.calls), queued()
            assert run(id) == "waiting_input"
            assert notes() == {"one": 1}
            answer(api, id, "approve")
            printed = killed(id, at, when)
            if api.status(id)["status"] == "queued":
                assert run(id) == "completed"
            assert len(requests_of(api, id)) == 1
            written = notes()
            assert written.keys() == {"two"}
            assert written["two"] <= 1 + in_flight(id, "two")
            lost = sum(call.status == "started" for call in stored_calls(id))
            assert len(model.calls) - asked <= 2 + lost
            if printed:
                break
        assert at >= 3

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_that_was_told_of_a_rejection_is_not_asked_again(
        self, api, model, queued, killed, notes, when
    ):
        for at in itertools.count():
            asked, id = len(model.calls), queued()
            assert run(id) == "waiting_input"
            answer(api, id, "reject", text="no")
            printed = killed(id, at, when)
            if api.status(id)["status"] == "queued":
                assert run(id) == "completed"
            assert len(requests_of(api, id)) == 1
            assert notes() == {"one": 1}
            lost = sum(call.status == "started" for call in stored_calls(id))
            assert len(model.calls) - asked <= 2 + lost
            if printed:
                break
        assert at >= 3


class TestExpiry:
    @pytest.fixture
    def expired(self, app, api, model, reconcile):
        """A function that lets a request of a tool expire; it returns the execution's id."""

        def expired(**options):
            crewexec = app.extensions["crewexec_host"]
            approval = Approval(expires_in=1000, **options)

            @crewexec.tool("act", approval=approval)
            def act() -> str:
                """Act."""
                return "acted"

            model.add(Turn(raw=tool_calls(("act", {})), results=0), Turn(reply="DONE", results=1))
            id = api.queue(documents.chain("a", tools=("act",)))
            assert run(id) == "waiting_input"
            assert reconcile()["expired_inputs"] == 0
            request = current_app_state().models.input_request
            statement = sa.update(request).where(request.execution_id == uuid.UUID(id))
            with current_app_state().database.write_transaction() as session:
                session.execute(statement.values(expires_at=LONG_AGO))
            assert reconcile()["expired_inputs"] == 1
            return id

        return expired

    @pytest.mark.parametrize(
        ("options", "result"),
        [
            ({"on_expiry": "approve"}, "acted"),
            ({"on_expiry": "reject"}, "The call was rejected and not made."),
            ({"on_expiry": "default", "default": "later"}, "later"),
        ],
    )
    def test_what_the_tool_says_is_done(self, model, expired, options, result):
        assert run(expired(**options)) == "completed"
        (message,) = [m for m in model.calls[-1].body["messages"] if m["role"] == "tool"]
        assert message["content"] == result

    def test_by_default_the_execution_fails(self, api, model, expired):
        id = expired()
        assert run(id) == "failed"
        assert api.status(id)["error"]["code"] == "input-expired"
        assert len(model.calls) == 1
