"""The test suite that the documentation shows passes, in an environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.doc_examples import write_files
from support.installed_plugin import run_suite
from support.paths import ROOT

pytestmark = [pytest.mark.libraries, pytest.mark.sqlite_enough, pytest.mark.timeout(900)]

RECORD = """
import json
import reports

def test_record(crewexec_run, crewexec_model):
    crewexec_model.on("Report on", tool=("count_orders", {"customer": "Bo"}), after_tool=False)
    crewexec_model.on("Report on", "Bo has three orders.")
    run = crewexec_run(reports.REPORT, {"customer": "Bo"}, user_id="ada").answer("approve")
    with open("tests/run.json", "w") as file:
        json.dump(run.record(), file)
"""


def test_the_suite_of_the_page_passes(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    write_files(ROOT / "docs/howto/testing.rst", folder)
    (folder / "tests/test_before.py").write_text(RECORD)
    path = {"PYTEST_ADDOPTS": f"-o pythonpath={folder}"}
    output = run_suite(folder, tmp_path, "tests/test_before.py", "tests", **path)
    last = output.splitlines()[-1]
    assert " passed in " in last, output
    assert "failed" not in last, output
    assert "error" not in last, output
