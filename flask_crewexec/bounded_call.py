"""A call in a thread of its own, which its caller may give up.

For calls that may block for longer than the caller can wait and that cannot be interrupted, such
as a query to a database server that hangs, or a host's tool.
"""

from __future__ import annotations

import contextvars
import threading
import typing as t
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait

R = t.TypeVar("R")


def start_call(
    function: Callable[[], R], *, name: str, context: contextvars.Context | None = None
) -> Future[R]:
    """Call *function* in a new thread and return the future of its result.

    The future raises whatever the function raises, ``SystemExit`` and ``KeyboardInterrupt``
    included. The thread is a daemon: the process does not wait for it when it exits.

    :param name: the name of the thread.
    :param context: the context variables to run in; an empty context by default.
    :raises RuntimeError: if no thread can be started.
    """
    future: Future[R] = Future()
    run = (contextvars.Context() if context is None else context).run
    threading.Thread(target=run, args=(_settle, future, function), name=name, daemon=True).start()
    return future


def has_ended(call: Future[t.Any], seconds: float | None) -> bool:
    """Wait for a call for at most *seconds* and return whether it has ended.

    Unlike ``call.result(seconds)``, this cannot be mistaken for a ``TimeoutError`` of the call.
    """
    return bool(wait([call], seconds).done)


def _settle(future: Future[R], function: Callable[[], R]) -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001  # raised where the result is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
