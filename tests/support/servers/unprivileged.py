"""Programs run by a user who can write almost nowhere, as in a container that is locked down."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

UNKNOWN_USER = 54_321
"""A user without an entry in the list of users, hence without a home directory."""


def unprivileged(command: Sequence[str], *, temporary: Path) -> list[str]:
    """The command that runs *command* as :data:`UNKNOWN_USER`, without ``$HOME``.

    It keeps the capability to read everything, since the interpreter may be in root's home.

    :param temporary: the temporary folder, as the only one that it can write to.
    """
    if os.getuid() != 0:
        pytest.skip("only root can start a process of another user")
    if shutil.which("setpriv") is None:
        pytest.skip("this system has no setpriv")
    user = [f"--reuid={UNKNOWN_USER}", f"--regid={UNKNOWN_USER}", "--clear-groups"]
    reads = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]
    # CrewAI's folder is set in this process, once it has imported CrewAI.
    unset = ["--unset=HOME", "--unset=CREWAI_STORAGE_DIR"]
    environment = ["env", *unset, f"TMPDIR={temporary}", "PYTHONDONTWRITEBYTECODE=1"]
    return ["setpriv", *user, *reads, *environment, *command]
