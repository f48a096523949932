"""Erases a user in a process that kills itself in its first batch that changes something.

Arguments: the id of the user, and ``before`` or ``after`` the commit. It prints ``done`` if there
was no such batch.
"""

from __future__ import annotations

import os
import signal
import sys
import typing as t
from collections import Counter

from flask_crewexec.app_state import current_app_state
from flask_crewexec.services import erasure
from support.host_app import host

write = erasure._Eraser._write


def changes(done: t.Any) -> bool:
    return bool(done.total() if isinstance(done, Counter) else done)


def write_and_die(eraser: t.Any, step: t.Callable[[t.Any], t.Any]) -> t.Any:
    def step_and_die(session: t.Any) -> t.Any:
        done = step(session)
        session.flush()
        if when == "before" and changes(done):
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    done = write(eraser, step_and_die)
    if changes(done):
        os.kill(os.getpid(), signal.SIGKILL)
    return done


if __name__ == "__main__":
    user_id, when = sys.argv[1:]
    setattr(erasure._Eraser, "_write", write_and_die)  # noqa: B010
    with host.create_app().app_context():
        erasure.erase_user(current_app_state(), user_id)
        print("done")
