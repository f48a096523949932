"""The options of several workers."""

from __future__ import annotations

import click
import pytest

from flask_crewexec.worker.options import WorkerOptions


def test_each_worker_gets_the_given_options_and_its_own_name():
    options = WorkerOptions(["-lDEBUG", "-Pthreads", "-c100", "-n", "crews@box", "-E", "--", "a=b"])
    given = ["-l", "DEBUG", "-P", "threads", "-c", "100", "-n", "crews.2@box", "-E", "--", "a=b"]
    assert WorkerOptions(options.for_worker(2)).for_worker(3) == WorkerOptions(given).for_worker(3)
    assert "crews.2@box" in options.for_worker(2)
    assert {"DEBUG", "threads", "100", "a=b"} <= set(options.for_worker(2))


@pytest.mark.parametrize(
    ("given", "name"),
    [([], "celery.1@box"), (["-n", "crews@%h"], "crews.1@box"), (["-n", "a@b.c"], "a.1@b.c")],
)
def test_the_number_is_added_to_the_node_name(given, name, monkeypatch):
    monkeypatch.setattr("celery.utils.nodenames.gethostname", lambda: "box")
    assert name in WorkerOptions(given).for_worker(1)


def test_only_the_first_worker_runs_beat():
    options = WorkerOptions(["-B", "--schedule=here"])
    assert "--beat" in options.for_worker(1)
    assert "--beat" not in options.for_worker(2)


@pytest.mark.parametrize(
    ("given", "do"),
    [
        ([], True),
        (["-Q", "cleanup,crew_execution"], True),
        (["-Qcleanup"], False),
        (["-X", "crew_execution"], False),
    ],
)
def test_whether_they_consume_executions(given, do):
    assert WorkerOptions(given).consume("crew_execution") is do


@pytest.mark.parametrize(
    ("given", "pool"), [([], None), (["-Pthreads"], "threads"), (["--pool", "solo"], "solo")]
)
def test_the_pool(given, pool):
    assert WorkerOptions(given).pool == pool


@pytest.mark.parametrize("given", ["--nonsense", "-D", "--pidfile=/run/w.pid", "--statedb=/run/w"])
def test_options_that_suit_one_worker_only_are_rejected(given):
    with pytest.raises(click.UsageError):
        WorkerOptions([given])


def test_files_named_by_worker_are_accepted():
    options = ["--pidfile=/run/%n.pid", "--statedb=/run/%n", "--logfile=/run/all.log"]
    assert "/run/%n.pid" in WorkerOptions(options).for_worker(1)
