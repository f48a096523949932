"""What is kept of calls after the end of their execution, and for how long."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import pytest

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.errors import ConfigError
from flask_crewexec.storage import counters
from flask_crewexec.storage.call_retention import CallPolicy
from flask_crewexec.tasks import cleanup
from support.graphs import documents
from support.in_process import change
from support.in_process import run
from support.in_process import stored_calls
from support.scripted_turns import tool_calls
from support.scripted_turns import Turn

DAY = dt.timedelta(days=1)


def with_tool(model) -> dict[str, object]:
    """Script a run of one step that counts words, then answers; return its graph."""
    words = "count_words", {"text": "a b c"}
    model.add(Turn(raw=tool_calls(words), results=0), Turn(reply="THREE", results=1))
    return documents.chain("a", tools=("count_words",))


@pytest.fixture
def counted(api, model) -> str:
    """An execution with two model calls and a tool call between them."""
    id = api.queue(with_tool(model))
    assert run(id) == "completed"
    return id


@pytest.fixture
def counted_by(api, stranger, model):
    """A function that runs an execution of ada's or mallory's, which ended some days ago."""
    document = with_tool(model)

    def counted_by(user: str, days: float) -> str:
        id = {"ada": api, "mallory": stranger}[user].queue(document)
        assert run(id) == "completed"
        change(id, finished_at=clock.now() - days * DAY)
        return t.cast(str, id)

    return counted_by


@pytest.fixture
def keep_calls_for(app):
    """A function that sets the host's function for the duration of users."""

    def keep_calls_for(function: object) -> None:
        app_state = app.extensions["crewexec"]
        changed = dataclasses.replace(app_state.settings, keep_calls_for=function)
        app.extensions["crewexec"] = dataclasses.replace(app_state, settings=changed)

    return keep_calls_for


def calls(api, id: str):
    return api("GET", f"/executions/{id}/calls").json["calls"]


def purge() -> None:
    cleanup.handle({"action": "purge"})


def purged() -> int:
    totals = {total.name: total.times for total in counters.read_totals(current_app_state())}
    return totals.get(counters.PURGED_CALLS, 0)


class TestDuration:
    def test_calls_are_kept_for_some_days(self, api, counted_by):
        kept = counted_by("ada", 6.9)
        purge()
        assert len(calls(api, kept)) == 3

    @pytest.mark.settings(PURGE_BATCH_SIZE=2, KEEP_CALLS_FOR=0.001)
    def test_one_purge_deletes_several_batches(self, api, counted_by):
        ids = [counted_by("ada", days) for days in (1, -1, 2, 1, 1)]
        purge()
        assert [len(calls(api, id)) for id in ids] == [0, 3, 0, 0, 0]
        assert purged() == 12

    @pytest.mark.settings(PURGE_BATCH_SIZE=2)
    def test_a_function_decides_for_each_user(self, api, counted_by, keep_calls_for):
        asked = []

        def duration(user: str) -> dt.timedelta:
            asked.append(user)
            return {"ada": 3 * DAY, "mallory": 1 * DAY}[user]

        keep_calls_for(duration)
        whose = [("ada", 2), ("ada", 4), ("mallory", 2), ("ada", 2), ("mallory", 0.5)]
        ids = [counted_by(*each) for each in whose]
        purge()
        assert [len(stored_calls(id)) for id in ids] == [3, 0, 0, 3, 3]
        assert sorted(asked) == ["ada", "mallory"]

    def test_a_function_must_return_a_duration(self, counted_by, keep_calls_for):
        id = counted_by("ada", 9)
        keep_calls_for(lambda user: 7)
        with pytest.raises(ConfigError, match="CREWEXEC_KEEP_CALLS_FOR"):
            purge()
        assert len(stored_calls(id)) == 3


class TestContents:
    @pytest.mark.settings(KEEP_CALLS_FOR=0.001)
    def test_calls_are_removed_before_their_execution(self, api, counted):
        live = api.queue(documents.chain("a"))
        purge()
        assert calls(api, counted) == []
        assert api.status(counted)["status"] == "completed"
        assert api.status(live)["status"] == "queued"
        assert purged() == 3

    @pytest.mark.settings(KEEP_CALLS_FOR=0.001)
    def test_calls_of_an_execution_that_may_go_on_are_kept(self, api, counted):
        change(counted, status="retrying")
        purge()
        assert len(calls(api, counted)) == 3

    @pytest.mark.settings(CALL_LOG="shape")
    def test_contents_are_removed_where_another_process_has_ended_the_run(self, api, model):
        id = api.queue(with_tool(model))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CallPolicy, "changes_nothing", True)
            run(id)
        assert calls(api, id)[0]["request"] is not None
        purge()
        assert [call["request"] for call in calls(api, id)] == [None] * 3

    @pytest.mark.settings(CALL_LOG="shape")
    def test_contents_may_be_removed_at_the_end(self, api, counted):
        assert [(c["request"], c["answer"]) for c in calls(api, counted)] == [(None, None)] * 3
        assert calls(api, counted)[1]["name"] == "count_words"

    @pytest.mark.settings(CALL_LOG="off")
    def test_all_may_be_removed_at_the_end(self, api, counted):
        assert calls(api, counted) == []

    @pytest.mark.settings(CALL_LOG="off", RESUME_IN_STEP=False)
    def test_nothing_need_be_stored(self, api, counted):
        assert calls(api, counted) == []
        assert "call" not in api.events_of(counted, "model_call_started")[0]

    @pytest.mark.settings(CALL_LOG="shape")
    def test_a_run_that_fails_keeps_the_shape_only(self, api, model):
        model.on(status=401)
        id = api.queue(documents.chain("a"))
        assert run(id) == "failed"
        assert [(c["request"], c["status"]) for c in calls(api, id)] == [(None, "failed")]
