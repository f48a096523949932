"""Programs that tests install when they first need them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

from support.paths import ROOT


def installed(name: str, install: Callable[[Path], None]) -> Path:
    """Return the folder of a program, which *install* fills if it is not there yet.

    It is in ``.srv`` below the repository, or in the folder named by ``CREWEXEC_TEST_SERVERS``.
    Only a complete installation ever gets this name.
    """
    programs = Path(os.environ.get("CREWEXEC_TEST_SERVERS") or ROOT / ".srv")
    folder = programs / name
    programs.mkdir(parents=True, exist_ok=True)
    with _lock(programs / f"{name}.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=programs) as workplace:
                unfinished = Path(workplace, name)
                unfinished.mkdir()
                install(unfinished)
                unfinished.rename(folder)
    return folder


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
