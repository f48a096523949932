"""The sample host: who asks, what agents may touch, and that its graphs fit what it offers."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing as t
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_crewexec import ExecutionContext
from flask_crewexec import GraphService
from flask_crewexec.execution_context import execution_var
from sample_app import create_app
from sample_app.checks import notes_found
from sample_app.checks import within_length
from sample_app.config import with_driver
from sample_app.extensions import db
from sample_app.models import Note
from sample_app.models import User
from sample_app.seeding import GRAPHS
from sample_app.seeding import seed
from sample_app.tools import save_note
from sample_app.tools import search_notes
from support.paths import ROOT


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app({"SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'sample.sqlite'}"})
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
        db.engine.dispose()


def get(app: Flask, path: str, token: str) -> t.Any:
    return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})


def work_for(name: str) -> ExecutionContext:
    """An execution that belongs to the user of this name."""
    user = db.session.scalars(sa.select(User).filter_by(name=name)).one()
    return ExecutionContext(
        id=uuid.uuid4(), user_id=str(user.id), thread_id=None, graph_id=uuid.uuid4(), attempt=1
    )


@pytest.fixture
def ada_at_work(app: Flask) -> Iterator[ExecutionContext]:
    """A tool call for Ada; Bob has notes, too."""
    seed("ada")
    seed("bob")
    execution = work_for("ada")
    token = execution_var.set(execution)
    yield execution
    execution_var.reset(token)


def test_a_token_opens_the_api_for_its_owner(app: Flask) -> None:
    ada, bob = seed("ada"), seed("bob")
    assert get(app, f"/crewexec/graphs/{ada.graphs['fact_page']}", ada.token).status_code == 200
    assert get(app, f"/crewexec/graphs/{ada.graphs['fact_page']}", bob.token).status_code == 404


def test_an_admin_sees_what_belongs_to_others(app: Flask) -> None:
    ada, root = seed("ada"), seed("root", admin=True)
    assert get(app, f"/crewexec/graphs/{ada.graphs['fact_page']}", root.token).status_code == 200


@pytest.mark.parametrize("path", ["/crewexec/graphs", "/notes"])
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic YTpi", "nonsense"])
def test_without_a_valid_token_the_answer_is_401(app: Flask, path: str, header: str | None) -> None:
    seed("ada")
    headers = {} if header is None else {"Authorization": header}
    assert app.test_client().get(path, headers=headers).status_code == 401


def test_only_the_hash_of_a_token_is_stored(app: Flask) -> None:
    token = seed("ada").token
    assert token not in db.session.scalars(sa.select(User.token_hash)).all()


def test_seeding_again_replaces_the_token_and_nothing_else(app: Flask) -> None:
    first, second = seed("ada"), seed("ada")
    assert first.graphs == second.graphs
    assert get(app, "/crewexec/graphs", first.token).status_code == 401
    assert len(get(app, "/crewexec/graphs", second.token).json["graphs"]) == len(first.graphs)
    assert len(get(app, "/notes", second.token).json["notes"]) == 3


@pytest.mark.parametrize("path", sorted(GRAPHS.glob("*.json")), ids=lambda path: path.stem)
def test_the_graphs_name_only_what_the_host_offers(app: Flask, path: Path) -> None:
    assert GraphService().validate(json.loads(path.read_text())).tasks


def test_search_finds_only_the_users_own_notes(ada_at_work: ExecutionContext) -> None:
    bob = int(work_for("bob").user_id)
    db.session.add(Note(user_id=bob, title="Secret honey", text="Bob's own"))
    db.session.commit()
    found = search_notes("honey garden")
    assert "Bees in May" in found
    assert "Moon garden" in found
    assert "Secret" not in found


@pytest.mark.parametrize("query", ["nowhere", "", "%", "_"])
def test_search_says_so_when_nothing_is_found(ada_at_work: ExecutionContext, query: str) -> None:
    assert search_notes(query) == "No note was found."


def test_the_guardrail_counts_words(ada_at_work: ExecutionContext) -> None:
    assert within_length("one two three") is True
    token = execution_var.set(dataclasses.replace(ada_at_work, inputs={"words": 2}))
    assert within_length("one two") is True
    assert within_length("one two three") == "The answer has 3 words; at most 2 are allowed."
    execution_var.reset(token)


def test_the_predicate_knows_when_nothing_was_found(ada_at_work: ExecutionContext) -> None:
    assert notes_found(search_notes("honey"), None) is True
    assert notes_found(search_notes("nowhere"), None) is False
    assert notes_found("", None) is False


def test_a_note_that_is_saved_again_is_updated(ada_at_work: ExecutionContext) -> None:
    save_note("Digest", "first")
    save_note("Digest", "second")
    saved = db.session.scalars(sa.select(Note).filter_by(title="Digest")).all()
    assert [note.text for note in saved] == ["second"]
    assert str(saved[0].user_id) == ada_at_work.user_id
    assert saved[0].execution_id == ada_at_work.id


def test_sqlite_lets_web_and_workers_share_the_file(app: Flask) -> None:
    with db.engine.connect() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("PRAGMA busy_timeout")) == 10_000


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://u:p@db/notes", "postgresql+psycopg://u:p@db/notes"),
        ("postgres://db/notes", "postgresql+psycopg://db/notes"),
        ("postgresql+psycopg://db/notes", "postgresql+psycopg://db/notes"),
        ("sqlite:///notes.sqlite", "sqlite:///notes.sqlite"),
    ],
)
def test_database_urls_get_the_installed_driver(given: str, used: str) -> None:
    assert with_driver(given) == used


def test_the_web_process_never_imports_crewai() -> None:
    code = (
        "import sys; from sample_app import create_app; import sample_app.celery_app;"
        " create_app(); sys.exit('crewai' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
