"""Executions that wait for people for a week, by the database's clock."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from flask_crewexec.app_state import current_app_state
from flask_crewexec.cli.monitor_snapshot import read_snapshot
from flask_crewexec.storage import counters
from flask_crewexec.storage.counters import read_totals
from support.in_process import run
from support.input_requests import answer
from support.input_requests import reviewed
from support.moved_time import later
from support.moved_time import WEEK

MINUTE = 60.0


@pytest.fixture
def engine(app):
    return app.extensions["sqlalchemy"].engine


def measured(name):
    """The sum of a histogram's measurements."""
    return sum(each.total for each in read_totals(current_app_state()) if each.name == name)


def metric(admin, name, **labels):
    families = parse(admin("GET", "/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return sum(s.value for s in samples if (s.name, s.labels) == (f"crewexec_{name}", labels))


class TestTime:
    def test_a_week_counts_neither_as_run_nor_as_time_in_the_queue(self, api, engine):
        id = api.queue(reviewed("a", "b"))
        run(id)
        with later(engine):
            waiting = api.status(id)["progress"]
            answer(api, id, "approve")
            assert run(id) == "completed"
        ended = api.status(id)["progress"]
        for progress in (waiting, ended):
            assert 0 < progress["elapsed_seconds"] < MINUTE
            assert WEEK <= progress["waited_seconds"] < WEEK + MINUTE
        assert 0 < measured(counters.RUN) < MINUTE
        assert 0 <= measured(counters.WAITING) < MINUTE
        assert WEEK <= measured(counters.INPUT) < WEEK + MINUTE

    def test_several_waits_add_up_also_if_a_cancellation_ends_one(self, api, engine):
        id = api.queue(reviewed())
        run(id)
        with later(engine):
            api("POST", f"/executions/{id}/cancel")
            cancelled = api.status(id)["progress"]
            api.again(id)
            assert run(id) == "waiting_input"
        with later(engine, 2 * WEEK):
            answer(api, id, "approve")
            run(id)
        ended = api.status(id)["progress"]
        for progress, weeks in ((cancelled, 1), (ended, 2)):
            assert 0 < progress["elapsed_seconds"] < MINUTE
            assert weeks * WEEK <= progress["waited_seconds"] < weeks * WEEK + MINUTE


class TestFigures:
    def test_tell_how_many_are_asked_and_for_how_long(self, api, admin, engine):
        assert metric(admin, "input_requests") == metric(admin, "input_request_age_seconds") == 0
        first, second = api.queue(reviewed()), api.queue(reviewed())
        for id in (first, second):
            run(id)
        with later(engine):
            assert metric(admin, "executions", status="waiting_input") == 2
            assert metric(admin, "input_requests") == 2
            assert WEEK <= metric(admin, "input_request_age_seconds") < WEEK + MINUTE
            queues = admin("GET", "/queues").json["input_requests"]
            assert queues["open"] == 2
            assert queues["oldest_seconds"] >= WEEK
            assert read_snapshot(current_app_state()).inputs.open == 2
            answer(api, first, "approve")
        assert metric(admin, "input_requests") == 1
        assert metric(admin, "input_seconds_count", outcome="answered") == 1
        assert metric(admin, "input_seconds_bucket", outcome="answered", le="604800.0") == 0
        assert metric(admin, "input_seconds_bucket", outcome="answered", le="2592000.0") == 1

    def test_count_what_has_expired(self, api, admin, engine, reconcile):
        id = api.queue(reviewed(review={"expires_in": MINUTE}))
        run(id)
        with later(engine):
            assert reconcile()["expired_inputs"] == 1
        assert metric(admin, "input_seconds_count", outcome="expired") == 1
