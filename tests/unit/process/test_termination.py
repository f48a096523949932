"""Which exceptions end a process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from billiard import common
from celery.exceptions import WorkerShutdown
from celery.exceptions import WorkerTerminate

from flask_crewexec.process.termination import ends_process


@pytest.fixture(autouse=True)
def _python_takes_ctrl_c() -> Iterator[None]:
    """Let Ctrl+C raise ``KeyboardInterrupt``, as in a command, whatever other tests did."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("error", [WorkerShutdown(0), WorkerTerminate(1), KeyboardInterrupt()])
def test_those_that_say_so(error):
    assert ends_process(error)


@pytest.mark.parametrize("error", [SystemExit(), SystemExit(3), GeneratorExit(), ValueError()])
def test_those_that_only_look_like_it(error):
    assert not ends_process(error)


def test_any_exit_once_a_child_of_a_pool_is_told_to_end(monkeypatch):
    monkeypatch.setattr(common, "_should_have_exited", [True])
    assert ends_process(SystemExit())
    assert not ends_process(ValueError())


def test_no_interrupt_where_another_handler_takes_the_signal():
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        assert not ends_process(KeyboardInterrupt())
    finally:
        signal.signal(signal.SIGINT, before)


def test_no_interrupt_in_another_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(ends_process(KeyboardInterrupt())))
    thread.start()
    thread.join()
    assert found == [False]
