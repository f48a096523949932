"""What the documentation names exists: settings, codes, metrics, files and tests."""

from __future__ import annotations

import dataclasses
import re

import pytest

from flask_crewexec.config.settings import PREFIX
from flask_crewexec.config.settings import Settings
from support.doc_examples import name_of
from support.doc_examples import PAGES
from support.paths import ROOT

FOLDERS = ("benchmarks", "constraints", "deploy", "docs", "flask_crewexec", "sample_app", "tests")
LAYERS = [path.name for path in (ROOT / "flask_crewexec").iterdir() if path.is_dir()]
ENVIRONMENT = {"CREWEXEC_TEST_REDIS"}
"""What the tests read, and not the application."""


def find(pattern: str) -> list[tuple[str, str]]:
    """Return what all pages name by *pattern*, each with its page."""
    return [
        (name_of(page), name)
        for page in PAGES
        for name in re.findall(pattern, " ".join(page.read_text(encoding="utf-8").split()))
    ]


@pytest.fixture(scope="module")
def source() -> str:
    """The package's code."""
    files = (ROOT / "flask_crewexec").rglob("*.py")
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def test_settings() -> None:
    known = {f"{PREFIX}{field.name.upper()}" for field in dataclasses.fields(Settings)}
    named = find(r"\bCREWEXEC_[A-Z_]*[A-Z]")
    missing = [each for each in named if each[1] not in known | ENVIRONMENT]
    assert not missing, missing


def test_codes_of_errors(source: str) -> None:
    named = find(r"(?:code|outcome|or|429,|\() ``([a-z]+(?:-[a-z]+)+)``")
    missing = [each for each in named if f'"{each[1]}"' not in source]
    assert not missing, missing


def test_metrics_and_tables(source: str) -> None:
    named = find(r"\bcrewexec_([a-z_]+)")
    suffixes = re.compile("_(total|count)$")  # of counters, and of what histograms have counted
    missing = [each for each in named if suffixes.sub("", each[1]) not in source]
    assert not missing, missing


def test_files() -> None:
    named = find(r"``([\w./-]+/[\w./-]*)(?:::\w+)?``")
    ours = [each for each in named if each[1].partition("/")[0] in (*FOLDERS, *LAYERS)]
    roots = (ROOT, ROOT / "flask_crewexec")
    missing = [each for each in ours if not any((root / each[1]).exists() for root in roots)]
    assert not missing, missing


def test_classes_of_tests() -> None:
    for _, place in find(r"``(tests/[\w./]+::\w+)``"):
        path, _, name = place.partition("::")
        assert f"class {name}" in (ROOT / path).read_text(encoding="utf-8"), place
