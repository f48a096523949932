"""A call in a thread of its own, which its caller may give up."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import wait

import pytest

from flask_crewexec.bounded_call import has_ended
from flask_crewexec.bounded_call import start_call

USER: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


def test_the_result_comes_from_a_daemon_thread_with_the_given_name():
    thread = start_call(threading.current_thread, name="query").result(30)
    assert thread is not threading.current_thread()
    assert (thread.name, thread.daemon) == ("query", True)


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, TimeoutError])
def test_the_caller_gets_every_exception_as_it_was_raised(kind):
    error = kind("why")

    def fail() -> None:
        raise error

    call = start_call(fail, name="query")
    assert has_ended(call, 30)
    with pytest.raises(kind) as caught:
        call.result()
    assert caught.value is error


def test_a_call_that_blocks_can_be_given_up_and_ends_later():
    gate = threading.Event()
    call = start_call(lambda: gate.wait(30), name="query")
    assert not has_ended(call, 0.01)
    gate.set()
    assert wait([call], 30).done
    assert call.result() is True


def test_a_call_without_a_limit_is_waited_for():
    assert has_ended(start_call(lambda: None, name="query"), None)


def test_it_runs_in_an_empty_context_by_default():
    USER.set("ada")
    assert start_call(USER.get, name="query").result(30) == "nobody"


def test_it_runs_in_the_given_context():
    USER.set("ada")
    context = contextvars.copy_context()
    USER.set("bob")
    assert start_call(USER.get, name="query", context=context).result(30) == "ada"
