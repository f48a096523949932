"""Where beat keeps the times of the last runs."""

from __future__ import annotations

import pytest
from celery import Celery

from flask_crewexec.worker.beat_schedule import BeatScheduler


@pytest.fixture
def scheduler_of():
    """A function that returns a started scheduler of a file."""
    started = []

    def start(path):
        app = Celery("test", set_as_current=False, broker="memory://")
        app.conf.beat_schedule = {"greet": {"task": "greet", "schedule": 60.0}}
        scheduler = BeatScheduler(app=app, schedule_filename=str(path))
        started.append(scheduler)
        return scheduler

    yield start
    for scheduler in started:
        scheduler.close()


def test_the_file_is_used_where_it_can_be_written(scheduler_of, tmp_path, caplog):
    scheduler = scheduler_of(tmp_path / "schedule")
    assert "greet" in scheduler.schedule
    assert list(tmp_path.iterdir())
    assert not caplog.records


def test_memory_is_used_elsewhere(scheduler_of, tmp_path, caplog):
    scheduler = scheduler_of(tmp_path / "missing" / "schedule")
    assert "greet" in scheduler.schedule
    scheduler.sync()
    assert "missing/schedule' cannot be written" in caplog.text


def test_a_broken_file_is_replaced(scheduler_of, tmp_path):
    (tmp_path / "schedule").write_bytes(b"no schedule")
    assert "greet" in scheduler_of(tmp_path / "schedule").schedule
