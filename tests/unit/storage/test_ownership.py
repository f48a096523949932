"""Only one module decides which rows a user may see."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import flask_crewexec
from flask_crewexec import Identity
from flask_crewexec.models import define_models
from flask_crewexec.storage.ownership import visible_to

PACKAGE = Path(flask_crewexec.__file__).parent
MODELS = define_models(sa.MetaData())


def compared_columns(tree: ast.AST) -> Iterator[str]:
    """Names of attributes on the left of comparisons that say whether two things are the same."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=ast.Attribute(attr=name), ops=[operator, *_]):
                if not isinstance(operator, ast.Gt | ast.Lt):
                    yield name


def test_no_other_module_compares_owners():
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "owner_id" in compared_columns(ast.parse(path.read_text()))
    ]
    assert found == ["storage/ownership.py"]


@pytest.mark.parametrize("model", [MODELS.execution, MODELS.graph, MODELS.webhook])
def test_users_see_their_own_rows_and_managers_and_the_host_see_all(model):
    def condition(requester):
        return visible_to(sa.select(model.id), model, requester).whereclause

    assert str(condition(Identity("ada"))).endswith("owner_id = :owner_id_1")
    assert condition(Identity("ada")).right.value == "ada"
    assert condition(Identity("root", may_manage_others=True)) is None
    assert condition(None) is None
