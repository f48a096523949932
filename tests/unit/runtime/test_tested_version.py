"""The warning about versions of CrewAI that nobody has tested."""

from __future__ import annotations

import pytest

from flask_crewexec.config.versions import CREWAI_TESTED_UP_TO
from flask_crewexec.runtime.crewai_shims.tested_version import warn_if_untested

MAJOR, MINOR, PATCH = map(int, CREWAI_TESTED_UP_TO.split("."))


@pytest.mark.parametrize(
    "installed", [f"{MAJOR}.{MINOR}.{PATCH + 1}", f"{MAJOR}.{MINOR + 1}.0a2", f"{MAJOR + 1}.0"]
)
def test_a_newer_version_is_reported(installed, caplog):
    warn_if_untested(installed)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert installed in record.getMessage()
    assert CREWAI_TESTED_UP_TO in record.getMessage()


@pytest.mark.parametrize(
    "installed", [CREWAI_TESTED_UP_TO, f"{CREWAI_TESTED_UP_TO}.post1", "1.15.4", "1.14.99"]
)
def test_a_tested_version_is_not_reported(installed, caplog):
    warn_if_untested(installed)
    assert caplog.records == []
