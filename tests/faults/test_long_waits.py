"""Executions that wait for people for a week, by the database's clock."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families as parse
from uuid_utils.compat import uuid7

from flask_crewexec import AsyncExecutionService
from flask_crewexec.app_state import current_app_state
from flask_crewexec.cli.monitor_snapshot import read_snapshot
from flask_crewexec.models import table_of
from flask_crewexec.storage import counters
from flask_crewexec.storage.counters import read_totals
from flask_crewexec.storage.queue_stats import read_open_inputs
from flask_crewexec.tasks import cleanup
from support.graphs import documents
from support.in_process import run
from support.input_requests import answer
from support.input_requests import reviewed
from support.moved_time import later
from support.moved_time import WEEK
from support.servers.processes import wait_until

MINUTE = 60.0
MANY = 1_000
ANSWERED = 50
"""How many of them are answered, since that takes a while."""


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

    def test_the_wait_ends_with_the_answer(self, api, engine):
        id = api.queue(reviewed())
        run(id)
        with later(engine):
            answer(api, id, "approve")
        with later(engine, 2 * WEEK):
            queued = api.status(id)["progress"]
        assert WEEK <= queued["waited_seconds"] < WEEK + MINUTE
        assert WEEK - MINUTE < queued["elapsed_seconds"] < WEEK + MINUTE

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


def copy_waiting(id, number):
    """Let so many more executions wait for people, copies of one."""
    models, one = current_app_state().models, uuid.UUID(id)
    execution, request = models.execution, models.input_request
    with current_app_state().database.write_transaction() as session:
        (row,) = session.execute(sa.select(table_of(execution)).filter_by(id=one)).mappings()
        query = sa.select(table_of(request)).filter_by(execution_id=one)
        (asked,) = session.execute(query).mappings()
        ids = [uuid7() for _ in range(number)]
        session.execute(sa.insert(execution), [{**row, "id": each} for each in ids])
        copies = [{**asked, "id": uuid7(), "execution_id": each} for each in ids]
        session.execute(sa.insert(request), copies)


class TestThousand:
    @pytest.fixture
    def statements_of_a_round(self, engine):
        """A function that does what beat asks for, and counts the statements."""

        def count():
            sent = []

            def note(connection, cursor, statement, *rest):
                sent.append(statement)

            sa.event.listen(engine, "before_cursor_execute", note)
            done = cleanup.handle({"action": "reconcile"})
            purged = cleanup.handle({"action": "purge", "older_than_seconds": 0})
            sa.event.remove(engine, "before_cursor_execute", note)
            assert not any([*done.values(), *purged.values()])
            return len(sent)

        return count

    def test_are_rows_only_and_can_be_answered_after_a_week(
        self, api, model, engine, statements_of_a_round
    ):
        id = api.queue(reviewed())
        run(id)
        with later(engine):
            statements_of_a_round()
            alone = statements_of_a_round()
            copy_waiting(id, MANY - 1)
            assert statements_of_a_round() == alone
            service = AsyncExecutionService()
            some = service.input_requests(status="open", limit=ANSWERED)
            assert all(service.answer(each["id"], "approve").is_new for each in some)
            assert read_open_inputs(current_app_state()).open == MANY - ANSWERED
            answer(api, id, "approve")
            assert run(id) == "completed"
        assert len(model.calls) == 1


@pytest.mark.sqlite_enough
class TestOneSlot:
    def test_fifty_that_wait_leave_it_to_the_next_one(self, api, model, start_worker):
        start_worker(pool="threads", concurrency=1)
        waiting = [api.queue(reviewed()) for _ in range(50)]

        def count(status):
            listed = api("GET", "/executions", query_string={"status": status, "limit": 100})
            return len(listed.json["executions"])

        wait_until(lambda: count("waiting_input") == 50, seconds=120, what="fifty questions")
        other = api.queue(documents.chain("b"))
        wait_until(lambda: api.status(other)["status"] == "completed", what="the fifty-first")
        assert count("waiting_input") == 50
        for id in waiting:
            answer(api, id, "approve")
        wait_until(lambda: count("completed") == 51, seconds=120, what="all")
        assert len(model.calls) == 51
