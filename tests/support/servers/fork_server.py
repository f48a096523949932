"""Forks Python processes that need not import CrewAI, Celery and Flask again.

`ForkServerProcess` starts this module as a program. Each request is one datagram: the command, its
folder and its environment as JSON, with the descriptors of its output and of a socket for its
status. On that socket the process's id is sent, and later its exit status.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import typing as t

MODULES: t.Final = (
    "billiard.pool",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "flask.cli",
    "flask_crewexec.cli.commands",
    "flask_crewexec.cli.monitor",
    "flask_crewexec.dashboard",
    "flask_crewexec.runtime.runner",
    "flask_crewexec.tasks.cleanup",
    "flask_crewexec.worker.multi_process",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "kombu.transport.redis",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "support.host_app.host",
)
"""What commands of the tests import, in an order in which nothing imports CrewAI before ours."""
REQUEST_BYTES: t.Final = 200_000


class Request(t.TypedDict):
    """A process to fork."""

    module: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]


def main() -> None:
    """Serve requests until the end of standard input, which comes when the tests end."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    while sys.stdin not in select.select([sys.stdin, requests], [], [])[0]:
        load()
        data, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
        if os.fork() == 0:
            requests.close()
            start(json.loads(data), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        reap()


@functools.cache
def load() -> None:
    """Import everything; not before the first request, which many tests never make."""
    gc.disable()  # nothing is garbage yet
    for module in MODULES:
        importlib.import_module(module)
    importlib.import_module("flask_crewexec.runtime.warm_up").warm_up()
    gc.collect()
    gc.freeze()
    gc.enable()
    assert threading.active_count() == 1, "a fork would lose threads"


def reap() -> None:
    """Forget the processes that watched over others and have ended."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


def start(request: Request, output: int, errors: int, status: int) -> None:
    """Fork the process and tell its id and its exit status; return only when it has ended."""
    child = os.fork()
    if child:
        os.close(output)
        os.close(errors)
        with socket.socket(fileno=status) as client:
            client.sendall(b"%d\n" % child)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            client.sendall(b"%d\n" % code)
        os._exit(0)
    os.close(status)
    redirect(output, errors)
    become(request)


def redirect(output: int, errors: int) -> None:
    """Leave the session of the server and write to files of its own."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (errors, 2)):
        os.dup2(source, target)
        os.close(source)


def become(request: Request) -> None:
    """Run ``python -m module …`` as a new interpreter would."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    drain = importlib.import_module("flask_crewexec.process.drain")
    drain.reset_after_fork()  # as each process of "worker --processes" does
    paths = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [request["folder"], *filter(None, paths), *sys.path]
    sys.orig_argv = [sys.executable, "-m", request["module"], *request["arguments"]]
    sys.argv = [request["module"], *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
