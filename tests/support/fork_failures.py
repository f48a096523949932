"""A supervisor where nothing can be forked at first; the argument says what follows from that."""

from __future__ import annotations

import logging
import os
import pwd
import resource
import signal
import sys

from flask_crewexec.worker.supervisor import Supervisor


class React(logging.Handler):
    """Does something when there is something to log."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.argv[1] == "space":
            forbid_processes(False)
        elif sys.argv[1] == "stop":
            os.kill(os.getpid(), signal.SIGTERM)


def forbid_processes(forbidden: bool) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (0 if forbidden else most, most))


def main() -> None:
    logging.basicConfig(format="%(message)s")
    logging.root.addHandler(React())
    if os.geteuid() == 0:  # no limit binds it
        os.setuid(pwd.getpwnam("nobody").pw_uid)
    forbid_processes(True)
    Supervisor(1).fork()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("forked; blocked are", *signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)
    os.kill(os.getppid(), signal.SIGTERM)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
