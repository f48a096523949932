"""What is said about versions of CrewAI."""

from __future__ import annotations

import importlib.metadata
import re

import pytest

from flask_crewexec.config.versions import CREWAI_FROM
from flask_crewexec.config.versions import CREWAI_TESTED_UP_TO
from flask_crewexec.config.versions import PACKAGE
from flask_crewexec.worker.crewai_checks import judge_version


@pytest.mark.parametrize(
    ("installed", "status"),
    [
        (None, "error"),
        ("1.15.24", "error"),
        (CREWAI_FROM, "ok"),
        (CREWAI_TESTED_UP_TO, "ok"),
        ("1.15.999", "warning"),
        ("2.0.0a1", "warning"),
    ],
)
def test_versions(installed, status):
    result = judge_version(installed)
    assert result.status == status
    assert bool(result.remedy) == (status != "ok")


def test_the_lowest_version_is_the_one_that_is_required():
    requirements = importlib.metadata.requires(PACKAGE) or []
    (crewai,) = (each for each in requirements if re.match(r"crewai\b", each))
    assert CREWAI_FROM in crewai
