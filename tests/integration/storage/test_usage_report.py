"""Usage and cost of executions and users, and the progress of an execution."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from support.graphs import documents
from support.in_process import copy_of
from support.in_process import run

PRICES = {"gpt-4o-mini": {"input": 0.15, "output": 0.6}}


@pytest.fixture
def done(api, model):
    """The status of an execution that has run."""
    id = api.queue(documents.chain("a", "b"))
    run(id)
    return api.status(id)


@pytest.mark.settings(PRICES=PRICES)
class TestCost:
    def test_it_is_calculated_from_the_tokens(self, done):
        used = done["usage"]
        expected = used["prompt_tokens"] * 0.15e-6 + used["completion_tokens"] * 0.6e-6
        assert used["cost"] == pytest.approx(expected, abs=1e-12)
        assert used["cost"] > 0

    def test_it_is_the_sum_of_the_steps(self, done):
        total = sum(step["usage"]["cost"] for step in done["steps"])
        assert total == pytest.approx(done["usage"]["cost"], abs=1e-12)


def test_without_prices_the_cost_is_zero(done):
    assert done["usage"]["cost"] == 0


@pytest.mark.settings(PRICES=PRICES)
class TestUsageByDay:
    def test_a_user_sees_their_own_totals(self, api, stranger, model, done):
        other = stranger.queue(documents.chain("a"))
        run(other)
        (mine,) = api("GET", "/usage").json["usage"]
        assert mine == {
            "day": clock.now().date().isoformat(),
            "user_id": "ada",
            "graph_id": None,
            "graph_name": None,
            "model": None,
            "executions": 1,
            "failed": 0,
            **done["usage"],
        }
        assert api("GET", "/usage?user_id=mallory").json == {"usage": []}

    def test_a_manager_sees_the_totals_of_all_users(self, stranger, admin, model, done):
        stranger.queue(documents.chain("a"))
        rows = admin("GET", "/usage").json["usage"]
        assert [(row["user_id"], row["executions"]) for row in rows] == [("ada", 1), ("mallory", 1)]
        (row,) = admin("GET", "/usage?user_id=mallory").json["usage"]
        assert row["user_id"] == "mallory"

    def test_days_are_separate_and_can_be_selected(self, api, model, done):
        late = dt.datetime(2026, 3, 1, 23, 59, 59, tzinfo=dt.UTC)
        for moment in (late, late + dt.timedelta(seconds=1)):
            copy_of(api.queue(documents.chain("a")), moment)
        days = [row["day"] for row in api("GET", "/usage?since=2026-01-01").json["usage"]]
        assert days[1:] == ["2026-03-02", "2026-03-01"]
        chosen = api("GET", "/usage?since=2026-03-01&until=2026-03-01").json["usage"]
        assert [row["day"] for row in chosen] == ["2026-03-01"]

    def test_failed_executions_are_counted(self, api, model, done):
        model.on("Do x", status=400)
        assert run(api.queue(documents.chain("x"))) == "failed"
        (row,) = api("GET", "/usage").json["usage"]
        assert (row["executions"], row["failed"]) == (2, 1)

    def test_by_graph(self, api, stranger, model, done):
        for _ in range(2):
            answer = api("POST", "/executions", json={"graph_id": done["graph_id"]})
            assert answer.status_code == 202
        stranger.queue(documents.chain("a"))
        api.queue(documents.chain("b") | {"name": "another"})
        rows = api("GET", "/usage?group_by=graph").json["usage"]
        assert [(row["graph_name"], row["executions"]) for row in rows] == [
            ("test crew", 3),
            ("another", 1),
        ]
        assert rows[0]["graph_id"] == done["graph_id"]
        assert rows[0]["cost"] == pytest.approx(done["usage"]["cost"])
        assert (rows[0]["user_id"], rows[0]["model"]) == (None, None)

    def test_by_model(self, api, stranger, model, done):
        run(stranger.queue(documents.chain("a")))
        api.queue(documents.chain("b"))  # no calls yet
        model.on("Do x", status=400)
        run(api.queue(documents.chain("x")))
        (row,) = api("GET", "/usage?group_by=model").json["usage"]
        assert (row["model"], row["executions"], row["failed"]) == ("gpt-4o-mini", 2, 1)
        assert row["llm_calls"] == 3
        assert row["total_tokens"] == done["usage"]["total_tokens"]
        assert row["cost"] == pytest.approx(done["usage"]["cost"], abs=1e-12)

    @pytest.mark.parametrize(
        "query",
        [
            "group_by=size",
            "since=yesterday",
            "limit=0",
            "limit=10001",
            "who=ada",
            "until=9999-12-31",
        ],
    )
    def test_a_bad_query_is_refused(self, api, query):
        assert api("GET", f"/usage?{query}").status_code == 422


class TestProgress:
    def test_the_queue_position_counts_more_urgent_and_older_executions(self, api):
        priorities = (5, 5, 1, 9)
        ids = [api.queue(documents.chain("a"), priority=priority) for priority in priorities]
        places = [api.status(id)["progress"]["queue_position"] for id in ids]
        assert places == [2, 3, 1, 4]

    def test_only_queued_executions_have_a_position(self, done):
        assert done["progress"]["queue_position"] is None

    def test_the_elapsed_time_is_from_the_start_to_the_end(self, api, done):
        began, ended = (
            dt.datetime.fromisoformat(done[f"{end}_at"]) for end in ("started", "finished")
        )
        assert done["progress"]["elapsed_seconds"] == (ended - began).total_seconds()
        assert api.status(api.queue(documents.chain("a")))["progress"]["elapsed_seconds"] is None


class TestSecrets:
    """Outputs of tools and models may contain the API key of the model."""

    def test_they_are_not_stored(self, api, model):
        model.on("Do a", "The key is sk-scripted, remember it.")
        id = api.queue(documents.chain("a", "b"))
        run(id)
        assert "[secret]" in api.status(id)["steps"][0]["output"]
        app_state = current_app_state()
        with app_state.database.read_session() as session:
            for table in (t.cast(t.Any, each).__table__ for each in app_state.models):
                for row in session.execute(sa.select(table)):
                    assert "sk-scripted" not in str(row)
