"""A background thread that is started on demand and ends when it is idle."""

from __future__ import annotations

import gc
import os
import queue
import threading
import weakref
from collections.abc import Callable

import pytest
from flask import current_app
from flask import Flask

from flask_crewexec.background_thread import BackgroundThread
from flask_crewexec.per_app import AppLocal

DEADLINE = 30


class Adder:
    """Adds numbers in a background thread and ends when there are no more."""

    def __init__(self, app: Flask, before_each: Callable[[], object] = lambda: None) -> None:
        self.thread = BackgroundThread(app, self._work, name="adder")
        self.before_each = before_each
        self.numbers: list[int] = []
        self.sums: queue.Queue[tuple[int, str, threading.Thread]] = queue.Queue()

    def add(self, number: int) -> None:
        with self.thread.changed:
            self.numbers.append(number)
            self.thread.ensure_running()

    def next_sum(self) -> tuple[int, str, threading.Thread]:
        return self.sums.get(timeout=DEADLINE)

    def _work(self) -> None:
        total = 0
        while numbers := self._take():
            self.before_each()
            total += sum(numbers)
            self.sums.put((total, current_app.name, threading.current_thread()))

    def _take(self) -> list[int]:
        with self.thread.changed:
            numbers, self.numbers = self.numbers, []
            if not numbers:
                self.thread.mark_ending()
            return numbers


@pytest.fixture
def app() -> Flask:
    return Flask("host")


def test_it_works_in_the_context_of_its_application(app):
    adder = Adder(app)
    adder.add(1)
    total, name, thread = adder.next_sum()
    assert (total, name) == (1, "host")
    assert (thread.name, thread.daemon) == ("adder", True)


def test_one_thread_does_the_work_that_is_added_while_it_runs(app):
    gate = threading.Event()
    adder = Adder(app, before_each=lambda: gate.wait(DEADLINE))
    for number in (1, 2, 3):
        adder.add(number)
    gate.set()
    sums, threads = set(), set()
    while 6 not in sums:
        total, _, thread = adder.next_sum()
        sums.add(total)
        threads.add(thread)
    assert len(threads) == 1


def test_an_idle_thread_ends_and_later_work_starts_another(app):
    adder = Adder(app)
    adder.add(1)
    _, _, first = adder.next_sum()
    first.join(DEADLINE)
    assert not first.is_alive()
    adder.add(2)
    total, _, second = adder.next_sum()
    assert total == 2
    assert second is not first


def test_no_work_is_lost_while_the_thread_ends(app):
    adder = Adder(app)
    added = [number for number in range(1000) if adder.add(number) is None]
    found: list[int] = []
    last: tuple[threading.Thread, int] | None = None
    while sum(found) < sum(added):
        total, _, thread = adder.next_sum()
        found.append(total - (last[1] if last and last[0] is thread else 0))
        last = thread, total
    assert sum(found) == sum(added)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_failed_is_replaced(app):
    def fail() -> None:
        raise ValueError("once")

    adder = Adder(app, before_each=fail)
    adder.add(1)
    for thread in threading.enumerate():
        if thread.name == "adder":
            thread.join(DEADLINE)
    adder.before_each = lambda: None
    adder.add(2)
    assert adder.next_sum()[0] == 2


def test_a_failure_to_start_leaves_it_startable(app, monkeypatch):
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    adder = Adder(app)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            adder.add(1)
    adder.add(2)
    assert adder.next_sum()[0] == 3


def test_it_does_not_keep_its_application_alive():
    app = Flask("host")
    adder = Adder(app)
    adder.add(1)
    _, _, thread = adder.next_sum()
    thread.join(DEADLINE)
    reference = weakref.ref(app)
    del app
    gc.collect()
    assert reference() is None


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_process_starts_its_own(app):
    parent, gate = os.getpid(), threading.Event()

    def keep_the_parent_busy() -> None:
        if os.getpid() == parent:
            gate.wait(DEADLINE)

    adders = AppLocal(lambda app: Adder(app, before_each=keep_the_parent_busy))
    with app.app_context():
        adders.current().add(1)
        read_end, write_end = os.pipe()
        if (child := os.fork()) == 0:
            try:
                adders.current().add(7)
                os.write(write_end, str(adders.current().next_sum()[0]).encode())
            finally:
                os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            assert answer.read() == "7"
        os.waitpid(child, 0)
        gate.set()
        assert adders.current().next_sum()[0] == 1
