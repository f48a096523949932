"""Runs one attempt of an execution, in a process that kills itself at one of its writes.

Arguments: the execution's id, the number of the write from 0, and ``before``, ``after`` or
``never``. It prints how many writes there were.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import typing as t

from flask_crewexec.storage import write_batch
from support.host_app import host
from support.in_process import run

write = write_batch.write
numbers = itertools.count()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_or_die(*args: t.Any) -> None:
    number = next(numbers)
    if (number, when) == (at, "before"):
        die()
    write(*args)
    if (number, when) == (at, "after"):
        die()


if __name__ == "__main__":
    id, at, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    setattr(write_batch, "write", write_or_die)  # noqa: B010
    app = host.create_app()
    with app.app_context():
        print(run(id), next(numbers))
