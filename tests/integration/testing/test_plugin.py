"""Test suites of applications that use the plugin of pytest, and one that does not."""

from __future__ import annotations

import pytest

from support.installed_plugin import run_suite
from support.paths import TESTS

pytestmark = [pytest.mark.libraries, pytest.mark.python, pytest.mark.timeout(900)]

SUITE = TESTS / "fixtures/host_suite"
UNTOUCHED = """
import sys

def test_nothing_is_imported_for_nothing():
    costly = {"celery", "crewai", "flask", "sqlalchemy", "flask_crewexec.testing.scripted_model"}
    assert costly.isdisjoint(sys.modules)
"""


def test_a_suite_passes_without_broker_worker_or_key(tmp_path):
    output = run_suite(SUITE, tmp_path, "test_crews.py")
    assert " passed in " in output.splitlines()[-1], output
    assert "failed" not in output.splitlines()[-1]
    assert "error" not in output.splitlines()[-1], output


def test_a_call_that_was_not_recorded_fails_with_what_differs(tmp_path):
    output = run_suite(SUITE, tmp_path, "failing_crews.py")
    assert "1 failed, 1 passed, 1 error in " in output.splitlines()[-1], output
    assert "The most similar is call 1 of step 'tell', agent 'Writer':" in output
    assert "E   -This is the expected criteria for your final answer: A text\n" in output
    assert "E   +This is the expected criteria for your final answer: A poem\n" in output
    assert "ERROR at teardown of test_call_from_elsewhere" in output
    assert "E   +Hello?\n" in output


def test_a_suite_that_does_not_use_it_is_left_alone(tmp_path):
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "test_it.py").write_text(UNTOUCHED)
    # Without the plugins of others, which import what they like.
    arguments = ["-p", "flask_crewexec.testing.plugin"]
    output = run_suite(folder, tmp_path, *arguments, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "1 passed in " in output.splitlines()[-1], output


def test_fixtures_are_described(tmp_path):
    output = run_suite(SUITE, tmp_path, "--fixtures", "test_crews.py")
    for name in ("app", "model", "run", "eager", "as_execution"):
        (heading,) = [x for x in output.splitlines() if x.startswith(f"crewexec_{name} --")]
        described = output.partition(heading)[2].splitlines()[1]
        assert described.startswith("    "), heading
        assert "no docstring" not in described
