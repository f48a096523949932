"""Hosts with their own model of executions."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from flask_crewexec import clock
from flask_crewexec import CrewExec
from flask_crewexec import ExecutionMixin
from support.graphs import documents
from support.host_app import host
from support.in_process import close_connections
from support.in_process import end_of_watch
from support.in_process import run

WORDS = ("event", "events", "lease", "now", "number", "counter")


@pytest.fixture
def app(environment, monkeypatch):
    """A host whose model has a value on update, and columns with names that we also use."""

    class Base(DeclarativeBase):
        pass

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = environment["DATABASE_URL"]
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, environment[name])
    db = SQLAlchemy(app, model_class=Base)
    moment = sa.DateTime(timezone=True)

    class Execution(ExecutionMixin, db.Model):  # type: ignore[name-defined]
        touched: Mapped[dt.datetime] = mapped_column(moment, default=clock.now, onupdate=clock.now)
        event: Mapped[str] = mapped_column(default="gala")
        events: Mapped[str] = mapped_column(default="galas")
        lease: Mapped[str] = mapped_column(default="of land")
        now: Mapped[str] = mapped_column(default="then")
        number: Mapped[str] = mapped_column(default="one")
        counter: Mapped[str] = mapped_column(default="none")

    crewexec = CrewExec(app, db=db, execution_model=Execution)
    crewexec.identity_loader(host.who_asks)
    url = environment["MODEL_URL"]
    crewexec.llm("default", "gpt-4o-mini", base_url=url, api_key=host.KEY, timeout=30)
    with app.app_context():
        db.create_all()
        yield app
        end_of_watch()
        close_connections(db.engine)


def test_runs_set_on_update_values_and_leave_other_columns_alone(app, api, model):
    id = api.queue(documents.chain("a", "b"))
    began = clock.now()
    assert run(id) == "completed"
    with app.extensions["sqlalchemy"].engine.connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM crewexec_execution")).one()
        touched = connection.scalar(sa.text("SELECT touched FROM crewexec_execution"))
    assert dt.datetime.fromisoformat(str(touched)).replace(tzinfo=dt.UTC) > began
    words = ("gala", "galas", "of land", "then", "one", "none")
    assert tuple(getattr(row, word) for word in WORDS) == words
