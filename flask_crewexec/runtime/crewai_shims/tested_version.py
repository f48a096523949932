"""The version of CrewAI up to which this package was tested."""

from __future__ import annotations

import logging
import re
import typing as t

from crewai import __version__ as _installed

log = logging.getLogger(__name__)

TESTED_UP_TO: t.Final = "1.15.30"
"""Raise it after ``tox -e crewai-latest`` has passed with the newer version."""


def warn_if_untested(installed: str = _installed) -> None:
    """Log a warning if the *installed* version of CrewAI is newer than the tested ones."""
    if _release(installed) > _release(TESTED_UP_TO):
        log.warning(
            "CrewAI %s is newer than %s, the latest version that Flask-CrewExec was tested with."
            " If crews fail, install crewai<=%s or upgrade Flask-CrewExec.",
            installed,
            TESTED_UP_TO,
            TESTED_UP_TO,
        )


def _release(version: str) -> tuple[int, ...]:
    """Return the three numbers of a release; pre-releases and builds of it count as the same."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
