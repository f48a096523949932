"""The warning about a version of CrewAI that is newer than the tested ones."""

from __future__ import annotations

import logging

from crewai import __version__ as _installed

from ...config.versions import CREWAI_TESTED_UP_TO
from ...config.versions import release_of

log = logging.getLogger(__name__)


def warn_if_untested(installed: str = _installed) -> None:
    """Log a warning if the *installed* version of CrewAI is newer than the tested ones."""
    if release_of(installed) > release_of(CREWAI_TESTED_UP_TO):
        log.warning(
            "CrewAI %s is newer than %s, the latest version that Flask-CrewExec was tested with."
            " If crews fail, install crewai<=%s or upgrade Flask-CrewExec.",
            installed,
            CREWAI_TESTED_UP_TO,
            CREWAI_TESTED_UP_TO,
        )
