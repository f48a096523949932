"""Removing what ended long ago, or is more than is kept."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.tasks import cleanup
from support.graphs import documents
from support.in_process import change
from support.in_process import run

DAY = dt.timedelta(days=1)
FINAL = ["completed", "failed", "cancelled", "timed_out"]
LIVE = ["queued", "running", "retrying"]


@pytest.fixture
def ended(api):
    """A function that makes an execution which ended so many days ago."""

    def make(days, status="completed"):
        id = api.queue(documents.chain("a"))
        assert run(id) == "completed"
        change(id, status=status, finished_at=clock.now() - days * DAY)
        return id

    return make


@pytest.fixture
def live(api):
    """A function that makes an execution which began a year ago and has not ended."""

    def make(status):
        id = api.queue(documents.chain("a"))
        past = clock.now() - 365 * DAY
        change(id, status=status, created_at=past, queued_at=past, started_at=past)
        return id

    return make


@pytest.fixture
def prune(app):
    """Run ``flask crewexec prune`` and return what it says."""

    def run(*options):
        result = app.test_cli_runner().invoke(args=["crewexec", "prune", *options])
        assert result.exit_code == 0, result.output
        return result.output.strip()

    return run


def purge(**order):
    return cleanup.handle({"action": "purge", **order})["purged"]


def kept():
    """The ids of what is stored, oldest first."""
    execution = current_app_state().models.execution
    with current_app_state().database.read_session() as session:
        return [str(id) for id in session.scalars(sa.select(execution.id).order_by(execution.id))]


def count(model):
    with current_app_state().database.read_session() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(model))


class TestAge:
    @pytest.mark.parametrize("status", FINAL)
    def test_what_ended_long_ago_goes_with_all_that_belongs_to_it(self, api, ended, status):
        old, young = ended(31, status), ended(29, status)
        models = current_app_state().models
        steps, events = count(models.step), count(models.event)
        assert purge() == 1
        assert kept() == [young]
        assert api("GET", f"/executions/{old}").status_code == 404
        assert (count(models.step), count(models.event)) == (steps / 2, events / 2)
        assert purge() == 0

    @pytest.mark.parametrize("status", LIVE)
    def test_what_has_not_ended_stays_however_old_it_is(self, live, status):
        id = live(status)
        assert purge(older_than_seconds=0, keep=0) == 0
        assert kept() == [id]

    @pytest.mark.settings(PURGE_BATCH_SIZE=2)
    def test_more_than_a_batch_goes_in_one_purge(self, ended):
        for _ in range(5):
            ended(40)
        assert purge() == 5
        assert kept() == []

    def test_what_is_queued_again_stays(self, api, ended):
        id = ended(40, "failed")
        assert api("POST", f"/executions/{id}/retry").status_code == 202
        assert purge() == 0
        assert run(id) == "completed"


class TestCount:
    @pytest.mark.settings(KEEP_COUNT=2)
    def test_the_oldest_go(self, ended):
        ids = [ended(days) for days in (4, 3, 2, 1)]
        assert purge() == 2
        assert kept() == ids[2:]

    @pytest.mark.settings(KEEP_COUNT=1)
    def test_what_has_not_ended_neither_counts_nor_goes(self, ended, live):
        ids = [live(status) for status in LIVE]
        old, young = ended(2), ended(1)
        assert purge() == 1
        assert kept() == [*ids, young]
        assert old not in kept()

    @pytest.mark.settings(KEEP_COUNT=5)
    def test_age_counts_as_well(self, ended):
        ended(31)
        young = ended(1)
        assert purge() == 1
        assert kept() == [young]

    @pytest.mark.settings(KEEP_COUNT=3)
    def test_fewer_than_are_kept_stay(self, ended):
        ids = [ended(2), ended(1)]
        assert purge() == 0
        assert kept() == ids


class TestPrune:
    def test_a_dry_run_only_tells(self, ended, live, prune):
        ids = [ended(40), ended(1), live("queued")]
        said = prune("--dry-run")
        assert said.startswith("Would remove 1 executions, 1 steps, ")
        assert kept() == ids

    def test_it_removes_what_the_dry_run_reports(self, ended, live, prune):
        ended(40)
        rest = [ended(1), live("running")]
        told = prune("--dry-run").removeprefix("Would remove")
        assert prune() == f"Removed{told}"
        assert kept() == rest
        assert prune().startswith("Removed 0 executions, 0 steps, 0 events")

    def test_days(self, ended, live, prune):
        rest = [ended(0.25), live("retrying")]
        ended(1)
        assert prune("--days", "0.5").startswith("Removed 1 executions")
        assert kept() == rest

    def test_keep(self, ended, live, prune):
        ids = [ended(days) for days in (3, 2, 1)]
        waiting = live("queued")
        assert prune("--keep", "1").startswith("Removed 2 executions")
        assert kept() == [ids[-1], waiting]

    def test_keep_nothing(self, ended, live, prune):
        ended(1)
        rest = [live(status) for status in LIVE]
        assert prune("--keep", "0").startswith("Removed 1 executions")
        assert kept() == rest

    @pytest.mark.parametrize("option", [("--days", "-1"), ("--keep", "-1"), ("--days", "soon")])
    def test_a_bad_value_is_refused(self, app, ended, option):
        id = ended(40)
        result = app.test_cli_runner().invoke(args=["crewexec", "prune", *option])
        assert result.exit_code == 2
        assert kept() == [id]
