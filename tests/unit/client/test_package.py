"""What programs need that use the client, and what they see of it."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from flask_crewexec.client import AsyncClient
from flask_crewexec.client import Client


def test_it_imports_nothing_of_the_server():
    program = """
import sys
import flask_crewexec.client
ours = {"celery", "crewai", "flask", "flask_sqlalchemy", "marshmallow", "redis", "sqlalchemy"}
assert not ours & {*sys.modules}, ours & {*sys.modules}
others = [name for name in sys.modules if name.startswith("flask_crewexec.")]
assert all(name.startswith("flask_crewexec.client") for name in others), others
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_methods_describe_themselves(client):
    signature = "(self, /, execution_id: 'Id', *, wait: 'int' = 0) -> 'WholeExecution'"
    assert str(inspect.signature(client.get)) == signature
    assert inspect.getdoc(client.get).startswith("Return an execution")


def test_both_clients_have_the_same_methods():
    assert public(Client) ^ public(AsyncClient) == {"close", "aclose"}


def public(client: type) -> set[str]:
    return {name for name in vars(client) if not name.startswith("_")}
