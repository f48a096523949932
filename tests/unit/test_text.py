"""Widths of texts."""

from __future__ import annotations

import pytest

from flask_crewexec.text import fitted
from flask_crewexec.text import width_of


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("short name", "short name"),
        ("exactly ten", "exactly t…"),
        ("总结今天的新闻", "总结今天…"),
        ("e\u0301" * 10, "e\u0301" * 10),
    ],
)
def test_what_is_too_wide_is_cut(text: str, line: str) -> None:
    assert fitted(text, 10) == line
    assert width_of(line) <= 10
