"""The catalogue of failure codes names exactly the codes that runs can end with."""

from __future__ import annotations

import ast
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

import flask_crewexec
from flask_crewexec import errors
from flask_crewexec.runtime import error_mapping
from flask_crewexec.runtime import model_failures
from flask_crewexec.runtime.error_mapping import to_failure
from flask_crewexec.schemas import FAILURE_CODES
from flask_crewexec.storage.failures import FailureReason

_PACKAGE: t.Final = Path(flask_crewexec.__file__).parent
_SOURCES: t.Final = (*(_PACKAGE / "runtime").rglob("*.py"), _PACKAGE / "storage" / "failures.py")
_OTHER_WORDS: t.Final = frozenset({"retry-after", "retry-after-ms", "run-stopped", "warm-up"})
"""Kebab-case strings of these sources that are no codes: a header, a base class, a fixed id."""
_AS_FAILURE: t.Final = (
    errors.InvalidGraph,
    errors.InvalidInputs,
    errors.ModelMisconfigured,
    errors.NotRegistered,
    errors.SecretMissing,
    errors.SecretProviderUnavailable,
    errors.StorageUnavailable,
    errors.ToolServerUnavailable,
    errors.ToolUnavailable,
    errors.UserLoaderUnavailable,
    errors.UserMissing,
    errors.WorkerMisconfigured,
)


def _codes_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            word = node.value
            if re.fullmatch(r"[a-z]+(-[a-z]+)+", word) and not word.startswith("crewexec-"):
                yield word


def test_lists_each_code_of_the_package_and_no_other() -> None:
    written = {code for path in _SOURCES for code in _codes_in(path)} - _OTHER_WORDS
    assert written | {error.code for error in _AS_FAILURE} == set(FAILURE_CODES)


@pytest.mark.parametrize("error", _AS_FAILURE, ids=lambda error: error.__name__)
def test_says_whether_an_exception_is_retried(error: type[errors.CrewExecError]) -> None:
    failure = to_failure(error("x"))
    if failure.code == error.code:  # files raise errors of their own
        assert failure.transient == FAILURE_CODES[failure.code].transient


def test_says_whether_a_model_error_is_retried() -> None:
    values = [*vars(error_mapping).values(), *vars(model_failures).values()]
    reasons = [value for value in values if isinstance(value, FailureReason)]
    assert reasons
    for reason in reasons:
        assert reason.transient == FAILURE_CODES[reason.code].transient, reason.code


def test_has_sentences() -> None:
    for code, known in FAILURE_CODES.items():
        assert known.meaning.endswith("."), code
        assert known.remedy.endswith("."), code
