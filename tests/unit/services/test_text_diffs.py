"""Differences of texts stay within bounds."""

from __future__ import annotations

import pytest

from flask_crewexec.services import text_diffs
from flask_crewexec.services.text_diffs import TextComparer
from flask_crewexec.services.text_diffs import TextDifference


@pytest.mark.parametrize("text", [None, "", "a\nb"])
def test_the_same(text):
    assert TextComparer().compare(text, text) == TextDifference(same=True, diff=None)


def test_changed_lines_with_what_is_around_them():
    old, new = "\n".join("abcdefgh"), "\n".join("abcdEfgh")
    found = TextComparer().compare(old, new)
    assert found.diff == "@@ -3,5 +3,5 @@\n c\n d\n-e\n+E\n f\n g"
    assert (found.same, found.truncated, found.omitted) == (False, False, False)


def test_a_missing_text():
    assert TextComparer().compare(None, "a").diff == "@@ -0,0 +1 @@\n+a"


def test_a_long_difference_is_cut_at_the_end_of_a_line():
    found = TextComparer().compare("", "\n".join("x" * 100 for _ in range(1_000)))
    assert found.truncated
    assert found.diff is not None
    assert len(found.diff) <= text_diffs.MAX_CHARS
    assert found.diff.splitlines()[-1] == "+" + "x" * 100


def test_one_line_that_is_too_long_for_a_difference():
    found = TextComparer().compare("x" * 30_000, "y" * 30_000)
    assert found.truncated
    assert found.diff == "@@ -1 +1 @@"


def test_texts_with_too_many_lines_are_not_compared():
    found = TextComparer().compare("", "x\n" * (text_diffs.MAX_LINES + 1))
    assert found == TextDifference(same=False, diff=None, omitted=True)


def test_after_a_while_no_further_texts_are_compared(monkeypatch):
    monkeypatch.setattr(text_diffs, "MAX_SECONDS", -1.0)
    assert TextComparer().compare("a", "b").omitted
