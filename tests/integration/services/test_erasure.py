"""What stays of a user whose data is erased: nothing but sums, and no row of others changes."""

from __future__ import annotations

import json
import logging
import re
import sys

import pytest
import sqlalchemy as sa

from flask_crewexec import AsyncExecutionService
from flask_crewexec.app_state import current_app_state
from flask_crewexec.models import is_user_column
from flask_crewexec.models import table_of
from flask_crewexec.storage import queue_pause
from flask_crewexec.storage.installation import ensure_installation_id
from flask_crewexec.storage.usage_report import daily_usage
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.input_requests import answer
from support.input_requests import reviewed
from support.owned_rows import insert
from support.owned_rows import insert_worker
from support.owned_rows import Owner
from support.owned_rows import stored
from support.paths import TESTS
from support.servers.processes import wait_until

USER, OTHER = "u-canary-7", "somebody"
OF_NOBODY = {"crewexec_counter"}
"""Tables without data of users."""
OF_ALL = {"crewexec_installation", "crewexec_worker"}
"""Tables whose rows belong to nobody, but may name users."""
SUMS = "crewexec_erased_usage"
PSEUDONYM = re.compile(r"erased-[0-9a-f]{32}")
SEVERAL = 3


@pytest.fixture
def crewexec(app):
    return app.extensions["crewexec_host"]


@pytest.fixture
def rows(app):
    """Rows of both users, each of whom is named in those of the other."""
    for _ in range(SEVERAL):
        insert(Owner(OTHER, "words of somebody", named=USER))
    pause_queue(USER)
    insert_worker(USER)
    others = stored()
    for _ in range(SEVERAL):
        insert(Owner(USER, USER, named=OTHER))
    return others


def pause_queue(user_id):
    """Let the row of the installation name a user, too."""
    app_state = current_app_state()
    ensure_installation_id(app_state)
    with app_state.database.write_transaction() as session:
        queue_pause.pause(session, app_state.models, user_id, None)


def without_sums(found):
    return {name: rows for name, rows in found.items() if name != SUMS}


def with_name(found):
    """What is stored, with the user's name where it was replaced."""
    return {
        name: sorted(PSEUDONYM.sub(USER, row) for row in rows)
        for name, rows in without_sums(found).items()
    }


def check_erased(others):
    found = stored()
    assert [row for rows in found.values() for row in rows if USER in row] == []
    assert with_name(found) == without_sums(others)


class TestTables:
    def test_every_table_of_users_loses_the_user_and_keeps_the_others(self, crewexec, rows):
        full = stored()
        empty = {name for name in full if not any(USER in row for row in full[name])}
        assert empty == {*OF_NOBODY, SUMS}, "Erase the new table, or say that it needs no erasure."
        erased = crewexec.erase_user(USER)
        check_erased(rows)
        assert erased.remaining == 0
        assert erased.deleted == {
            name: len(full[name]) - len(rows[name])
            for name in full.keys() - {*OF_NOBODY, SUMS, *OF_ALL}
        }
        # Events have three, requests a user and a link; the installation and the worker one row.
        assert set(erased.pseudonymised.values()) == {SEVERAL, 2 * SEVERAL, 3 * SEVERAL, 1}

    def test_columns_that_name_users_are_known(self, app):
        for table in map(table_of, current_app_state().models):
            for column in table.c:
                if isinstance(column.type, sa.String) and re.search(
                    r"(_by|owner_id|author_id|user_id)$", column.name
                ):
                    assert is_user_column(column), f"{column} is a text: give it the type UserId."

    def test_a_dry_run_tells_the_same_and_changes_nothing(self, crewexec, rows):
        before = stored()
        told = crewexec.erase_user(USER, dry_run=True)
        assert stored() == before
        done = crewexec.erase_user(USER)
        assert (told.deleted, told.pseudonymised) == (done.deleted, done.pseudonymised)

    def test_erasing_again_changes_nothing(self, crewexec, rows):
        crewexec.erase_user(USER)
        before = stored()
        again = crewexec.erase_user(USER)
        assert stored() == before
        assert sum(again.deleted.values()) == sum(again.pseudonymised.values()) == 0

    def test_sums_stay_without_a_name(self, crewexec, rows):
        def sums():
            days = daily_usage(current_app_state(), None, since=None)
            return {(day.day, day.executions, day.usage) for day in days}

        before = sums()
        assert len(before) == 1
        crewexec.erase_user(USER)
        app_state = current_app_state()
        days = daily_usage(app_state, None)
        assert sums() == before
        assert sorted(PSEUDONYM.sub("", day.user_id or "") for day in days) == ["", OTHER]
        (erased,) = (day.user_id for day in days if day.user_id != OTHER)
        assert daily_usage(app_state, None, user_id=erased) != []
        assert daily_usage(app_state, None, user_id=USER) == []

    def test_the_pseudonym_is_new_each_time_and_told_nowhere(self, crewexec, rows, caplog):
        caplog.set_level(logging.INFO)
        erased = crewexec.erase_user(USER)
        (line,) = (each.getMessage() for each in caplog.records if "erased" in each.getMessage())
        assert "rows were deleted" in line
        told = f"{erased} {caplog.text}"
        assert not PSEUDONYM.search(told)
        assert USER not in told


class TestBatches:
    pytestmark = pytest.mark.settings(PURGE_BATCH_SIZE=2)

    def test_a_process_that_is_killed_in_any_batch_leaves_what_the_next_goes_on_with(
        self, crewexec, rows, environment, fork_server, tmp_path
    ):
        def erase(when):
            command = [sys.executable, "-m", "support.killed_erasure", USER, when]
            variables = {**environment, "PYTHONPATH": str(TESTS)}
            return fork_server.run(command, environment=variables)

        (whole,) = daily_usage(current_app_state(), None, user_id=USER)
        before, kills = stored(), 0
        assert erase("before").returncode
        assert stored() == before
        while erase("after").returncode:
            kills += 1
        assert kills > 10
        check_erased(rows)
        days = daily_usage(current_app_state(), None)
        parts = [day for day in days if day.user_id != OTHER]
        assert sum(day.executions for day in parts) == whole.executions == SEVERAL
        tokens = sum(day.usage.prompt_tokens for day in parts)
        assert tokens == whole.usage.prompt_tokens

    def test_each_transaction_is_bounded(self, app, crewexec, rows):
        executions = []

        def count(connection):
            table = current_app_state().models.execution
            query = sa.select(sa.func.count()).where(table.owner_id == USER)
            executions.append(connection.scalar(query))

        sa.event.listen(host.db.engine, "commit", count)
        crewexec.erase_user(USER)
        sa.event.remove(host.db.engine, "commit", count)
        assert executions[:3] == [1, 0, 0]
        check_erased(rows)


class TestHost:
    def test_the_hosts_erasers_come_first_with_a_session_of_their_own(self, crewexec, rows):
        seen = []

        @crewexec.eraser("notes")
        def erase_notes(user_id, dry_run):
            listed = AsyncExecutionService().list_executions(user_id=user_id)
            seen.append((user_id, dry_run, len(listed)))
            if not dry_run:
                host.db.session.execute(sa.delete(host.Note))
                host.db.session.commit()
            return 2

        assert crewexec.erase_user(USER, dry_run=True).host == {"notes": 2}
        assert crewexec.erase_user(USER).host == {"notes": 2}
        assert seen == [(USER, True, SEVERAL), (USER, False, SEVERAL)]

    @pytest.mark.sqlite_enough
    def test_an_eraser_that_fails_leaves_everything_for_the_next_time(self, crewexec, rows):
        before = stored()

        @crewexec.eraser("files")
        def erase_files(user_id, dry_run):
            raise OSError("the disk is away")

        with pytest.raises(OSError, match="the disk is away"):
            crewexec.erase_user(USER)
        assert stored() == before

    @pytest.mark.sqlite_enough
    def test_an_eraser_that_cannot_be_called_is_refused(self, crewexec):
        with pytest.raises(ValueError, match="called with a user id"):
            crewexec.eraser("notes")(lambda user_id: 0)

    @pytest.mark.sqlite_enough
    @pytest.mark.parametrize("user_id", ["", "x" * 256])
    def test_an_id_that_cannot_be_stored_is_refused(self, crewexec, user_id):
        with pytest.raises(ValueError, match="A user id has"):
            crewexec.erase_user(user_id)


class TestRealExecutions:
    def test_what_somebody_did_for_others_stays_without_the_name(
        self, crewexec, api, stranger, admin, model
    ):
        id = api.queue(reviewed("a", "b", review={"assignees": {"users": ["mallory"]}}))
        assert run(id) == "waiting_input"
        answer(stranger, id, "approve")
        assert admin("POST", f"/executions/{id}/cancel", json={"reason": "x"}).status_code == 202
        stranger.queue(documents.chain("c"))
        erased = crewexec.erase_user("mallory")
        assert erased.pseudonymised["crewexec_event.data"] == 1
        (answered,) = api.events_of(id, "input_answered")
        assert PSEUDONYM.fullmatch(answered["by"])
        crewexec.erase_user(host.ADMIN)
        (cancelled,) = api.events_of(id, "cancelled")
        assert PSEUDONYM.fullmatch(cancelled["by"])
        assert api.status(id)["status"] == "cancelled"
        assert stranger("GET", "/executions").json["executions"] == []

    def test_queued_and_waiting_executions_end_first(self, crewexec, api, model, redis_process):
        for _ in range(3):
            api.queue(documents.chain("a"))
        waiting = api.queue(reviewed())
        assert run(waiting) == "waiting_input"
        crewexec.on("execution.cancelled", name="told")(lambda notification: None)
        erased = crewexec.erase_user("ada")
        assert erased.deleted["crewexec_delivery"] == 4
        assert (erased.running, erased.remaining) == (0, 0)
        assert erased.deleted["crewexec_execution"] == 4
        assert [row for rows in stored().values() for row in rows if "'ada'" in row] == []
        assert run_message(waiting) == "not-claimed"

    def test_what_a_worker_still_runs_is_deleted_and_writes_nothing_later(
        self, crewexec, api, stranger, model, start_worker, tmp_path
    ):
        file = tmp_path / "file"
        model.add(Rule("Do a", tool=("wait_for_file", {"path": str(file)}), after_tool=False))
        model.on(after_tool=True, reply="too late")
        worker = start_worker(pool="threads")
        other = stranger.queue(documents.chain("b"))
        api.queue(documents.chain("a", tools=("wait_for_file",)))
        wait_until(lambda: (tmp_path / "file.waiting").exists())
        wait_until(lambda: stranger.status(other)["status"] == "completed")
        erased = crewexec.erase_user("ada", wait=0)
        assert (erased.running, erased.remaining) == (1, 0)
        before = without_sums(stored())
        file.touch()
        wait_until(lambda: "has lost the lease" in worker.log_text())
        after = without_sums(stored())
        for name in before.keys() - OF_NOBODY - OF_ALL:
            assert after[name] == before[name]
        assert stranger.status(other)["status"] == "completed"

    def test_a_run_that_stops_in_time_is_waited_for(self, crewexec, api, model, start_worker):
        model.on("Do", "done")
        start_worker(pool="threads")
        id = api.queue(documents.chain(*"abcdefgh"))
        wait_until(lambda: api.status(id)["status"] != "queued")
        erased = crewexec.erase_user("ada", wait=60)
        assert (erased.running, erased.remaining) == (0, 0)
        assert erased.deleted["crewexec_execution"] == 1


def run_message(id):
    """What becomes of a message that comes late."""
    return run(id, attempt=1)


class TestCommand:
    def erase(self, app, *options):
        return app.test_cli_runner().invoke(args=["crewexec", "erase", "--user", USER, *options])

    def test_it_prints_a_receipt(self, app, rows):
        result = self.erase(app, "--dry-run")
        assert result.exit_code == 0, result.output
        assert re.search(r"crewexec_execution +3\n", result.stdout)
        assert "Would be deleted rows: " in result.stdout
        receipt = json.loads(self.erase(app, "--json").stdout)
        assert receipt["deleted"]["crewexec_execution"] == SEVERAL
        assert receipt["remaining"] == 0
        assert json.loads(self.erase(app, "--json").stdout)["deleted"]["crewexec_execution"] == 0
        check_erased(rows)

    @pytest.mark.sqlite_enough
    def test_it_fails_if_the_user_goes_on(self, app, crewexec, rows, monkeypatch):
        """As if the user had stored something after the last batch."""
        from flask_crewexec.services import erasure

        monkeypatch.setattr(erasure._Eraser, "_count_remaining", lambda self: 1)
        result = self.erase(app)
        assert result.exit_code == 1
        assert "erase again" in result.stderr
