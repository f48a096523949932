"""The screenshots of the documentation: each exists and is used, and all are taken by a test."""

from __future__ import annotations

import re

import pytest

from support.doc_examples import PAGES
from support.paths import ROOT
from support.paths import TESTS

pytestmark = [pytest.mark.sqlite_enough]

FOLDER = ROOT / "docs" / "_static"
MAX_BYTES = 1_000_000
TAKEN_BY = TESTS / "integration" / "sample_app" / "test_browser_showcase.py"


def used() -> set[str]:
    """Return the names of all images that pages show, and check that their files exist."""
    found = set()
    for page in PAGES:
        for path in re.findall(r"\.\. image:: (\S+)", page.read_text(encoding="utf-8")):
            image = (page.parent / path).resolve()
            assert image.is_file(), f"{page}: {path}"
            found.add(image.name)
    return found


def stored() -> set[str]:
    return {path.name for path in FOLDER.glob("*.png")}


def test_each_one_is_used() -> None:
    assert used() == stored()


def test_a_test_takes_each_one() -> None:
    taken = re.findall(r'screenshot\("([\w-]+)"', TAKEN_BY.read_text(encoding="utf-8"))
    assert {f"{name}.png" for name in taken} == stored()


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.png")) < MAX_BYTES
