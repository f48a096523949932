"""The benchmark of the page of a long run reads what it says; how fast is not tested."""

from __future__ import annotations

from pathlib import Path

from benchmarks import execution_page
from support import long_run


def test_both_pages_are_there(tmp_path: Path) -> None:
    with execution_page.page_reader(tmp_path) as reader:
        page = reader.get(execution_page.LONG).text
        assert page.count('<li id="step-') == long_run.STEPS
        assert reader.get(execution_page.SHORT).text.count('<li id="step-') == 1
