"""What an identity loader may return."""

from __future__ import annotations

import typing as t
import uuid

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_crewexec import CrewExec
from flask_crewexec import Identity
from flask_crewexec.identity import as_identity

ID = uuid.UUID(int=1)


@pytest.mark.parametrize(
    ("loaded", "user_id"),
    [("ada", "ada"), (7, "7"), (0, "0"), (ID, str(ID)), (Identity(t.cast(str, 7)), "7")],
)
def test_users(loaded, user_id):
    assert as_identity(loaded).user_id == user_id


def test_nobody():
    assert as_identity(None) is None


@pytest.mark.parametrize("loaded", [False, True, 1.5, b"ada", ["ada"]])
def test_what_could_stand_for_anybody_is_refused(loaded):
    with pytest.raises(TypeError, match="A user id is"):
        as_identity(loaded)
    with pytest.raises(TypeError, match="A user id is"):
        Identity(loaded)


@pytest.mark.parametrize("loaded", ["", "x" * 256, "a\x00", "\ud800"])
def test_what_no_database_keeps_is_refused(loaded):
    with pytest.raises(ValueError, match="characters"):
        as_identity(loaded)


def test_a_loader_that_reads_the_database_leaves_a_connection_for_the_request(tmp_path):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/db.sqlite"
    only_one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 1}
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = only_one
    db = SQLAlchemy(app)
    crewexec = CrewExec(app, db=db)

    @crewexec.identity_loader
    def who_asks():
        return db.session.scalar(sa.text("select 7"))

    with app.app_context():
        db.create_all()
    answer = app.test_client().get("/crewexec/executions")
    assert (answer.status_code, answer.json) == (200, {"executions": [], "next": None})
    with app.app_context():
        db.engine.dispose()


def test_roles_are_a_collection_of_texts():
    assert Identity("ada", roles=["a", "b", "a"]).roles == {"a", "b"}
    for wrong in ("payer", [1]):
        with pytest.raises(TypeError, match="Roles are a collection"):
            Identity("ada", roles=t.cast(t.Any, wrong))
