"""The catalogue of the problems' codes has those that the code reports, and no others."""

from __future__ import annotations

import ast
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_crewexec import graphs
from flask_crewexec.errors import InvalidGraph
from flask_crewexec.graphs import Permissions
from flask_crewexec.graphs import PROBLEM_CODES
from flask_crewexec.graphs import Reference
from flask_crewexec.graphs import RoleLimits
from flask_crewexec.graphs.json_values import find_json_problems
from flask_crewexec.graphs.references import find_name_problems

CALLS = {"Problem": 1, "Fault": 0, "choice": 0, "members": 0}
"""Which argument of these functions is a code."""
FILES = list(Path(graphs.__file__).parent.glob("*.py"))


def written(path: Path) -> Iterator[str]:
    """Yield the codes that a module contains as literals."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            code = node.args[CALLS[name] :][:1] if name in CALLS else []
            yield from (str(each.value) for each in code if isinstance(each, ast.Constant))


def of_names() -> Iterator[str]:
    """Yield the codes for names that are not registered, or not allowed."""
    (kinds,) = (t.get_type_hints(Reference)["kind"],)
    references = [Reference(kind, "x", "") for kind in t.get_args(kinds)]
    for denied in ({}, {"tool": ["x"], "model": ["x"]}):
        permissions = Permissions([], [], role_limits=RoleLimits(denied=denied))
        yield from (problem.code for problem in find_name_problems(references, permissions))


def of_values() -> Iterator[str]:
    """Yield the codes for what is no JSON, or empty, or has too many problems."""
    yield from (problem.code for problem in find_json_problems(["\0", float("inf"), {1: 2}, ()]))
    empty = {"version": 1, "name": "x", "nodes": [], "edges": []}
    for bad in (empty, {**empty, "edges": [1] * 1000}):
        with pytest.raises(InvalidGraph) as refused:
            graphs.parse(bad)
        yield from (problem.code for problem in refused.value.problems)


def test_all_codes_are_explained():
    reported = {code for path in FILES for code in written(path)}
    assert reported | {*of_names(), *of_values()} == PROBLEM_CODES.keys()


def test_the_catalogue_is_sorted():
    assert [*PROBLEM_CODES] == sorted(PROBLEM_CODES)
