"""Versions of this package and of CrewAI, read without importing CrewAI."""

from __future__ import annotations

import functools
import re
import typing as t
from importlib import metadata

PACKAGE: t.Final = "Flask-CrewExec"
CREWAI: t.Final = "crewai"
CREWAI_FROM: t.Final = "1.15.29"
"""The lowest version of CrewAI that ``setup.cfg`` allows."""
CREWAI_TESTED_UP_TO: t.Final = "1.15.30"
"""Raise it after ``tox -e crewai-latest`` has passed with the newer version."""


@functools.cache
def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution; None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def release_of(version: str) -> tuple[int, ...]:
    """Return the three numbers of a release; pre-releases and builds of it count as the same."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
