"""The queue position of an execution."""

from __future__ import annotations

import datetime as dt
import itertools
import random

import pytest
import sqlalchemy as sa

from flask_crewexec import clock
from flask_crewexec.app_state import current_app_state
from flask_crewexec.scheduling import queue_position
from support.graphs import documents
from support.in_process import change
from support.in_process import copy_of


@pytest.fixture
def line(api):
    """Executions of several users and urgencies, some of them on hold, in random order."""
    template = api.queue(documents.chain("a"))
    chance = random.Random(7)
    moments = [clock.now() - dt.timedelta(minutes=number) for number in range(80)]
    chance.shuffle(moments)
    for moment in moments:
        # Two at a time: then the id decides.
        values = {"owner_id": chance.choice("abcde"), "urgency": chance.choice((3, 5, 5, 5, 9))}
        rounded = moment.replace(minute=moment.minute // 2 * 2, second=0, microsecond=0)
        change(
            copy_of(template, moment),
            **values,
            on_hold=chance.random() < 0.5,
            queued_at=rounded,
        )
    change(template, status="cancelled", finished_at=clock.now())
    return waiting()


def waiting():
    """Return all queued executions, in the order in which they will start."""
    execution = current_app_state().models.execution
    with current_app_state().database.read_session() as session:
        rows = session.query(execution).filter_by(status="queued").all()
    rows.sort(key=lambda row: (row.owner_id, row.urgency, row.queued_at, row.id))
    turns: dict[object, int] = {}
    for _, group in itertools.groupby(rows, key=lambda row: (row.owner_id, row.urgency)):
        turns |= {row.id: turn for turn, row in enumerate(group)}
    rows.sort(key=lambda row: (row.urgency, turns[row.id], row.queued_at, row.id))
    return rows


def positions(rows):
    return [queue_position.queue_position(current_app_state(), row) for row in rows]


def test_it_is_the_position_in_the_order_of_starts(line):
    assert positions(line) == [*range(1, 81)]


def test_counting_stops_at_the_maximum(line, monkeypatch):
    monkeypatch.setattr(queue_position, "MAX_POSITION", 20)
    assert positions(line) == [*range(1, 21), *[None] * 60]


@pytest.fixture
def old(monkeypatch):
    """Snapshots of the queue stay valid."""
    monkeypatch.setattr(queue_position, "MAX_AGE_SECONDS", 60.0)


def test_who_polls_reads_one_row_and_the_queue_only_once_a_second(app, api, old):
    first = api.queue(documents.chain("a"))
    api.status(first)
    executed = []

    def note(connection, cursor, statement, *_):
        executed.append(statement)

    sa.event.listen(app.extensions["sqlalchemy"].engine, "before_cursor_execute", note)
    assert api.status(first)["progress"]["queue_position"] == 1
    assert len(executed) == 1
    assert "WHERE crewexec_execution.id = " in executed[0]


def test_what_was_queued_since_comes_after_those_of_its_user(api, stranger, old):
    mine = api.queue(documents.chain("a"))
    assert position(api, mine) == 1
    theirs = stranger.queue(documents.chain("a"))
    mine_too = api.queue(documents.chain("a"))
    urgent = stranger.queue(documents.chain("a"), priority=1)
    assert position(api, mine_too) == 2
    assert position(stranger, theirs) == 2
    assert position(stranger, urgent) == 1


def test_what_is_queued_again_gets_another_position(api, old):
    first, second = (api.queue(documents.chain("a")) for _ in range(2))
    assert position(api, first) == 1
    api("POST", f"/executions/{first}/cancel")
    api.again(first)
    assert position(api, first) == 3  # as of a second ago: after itself and the second one
    assert position(api, second) == 2


def position(api, id):
    return api.status(id)["progress"]["queue_position"]
