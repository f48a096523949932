"""The environment in which CrewAI is imported."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t
from collections.abc import Iterator

_SWITCHES: t.Final = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",  # else it asks at the terminal and waits for 20 s
    "CREWAI_DISABLE_VERSION_CHECK": "true",
}


def set_switches() -> None:
    """Switch off what a server must not do, and keep CrewAI's files out of the home directory."""
    os.environ.update(_SWITCHES)
    folder = os.path.join(tempfile.gettempdir(), f"crewexec-crewai-{os.getuid()}")
    os.environ.setdefault("CREWAI_STORAGE_DIR", folder)


@contextlib.contextmanager
def without_dotenv() -> Iterator[None]:
    """Keep CrewAI from reading the nearest ``.env`` file: that is the host's decision."""
    before = os.environ.get("PYTHON_DOTENV_DISABLED")
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHON_DOTENV_DISABLED"]
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = before
