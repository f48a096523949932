"""Whether the database has the tables and columns of the models."""

from __future__ import annotations

import uuid

import pytest

from flask_crewexec.app_state import current_app_state
from flask_crewexec.storage.database_check import missing_names
from support.host_app import host


def test_a_complete_database(app):
    assert missing_names(current_app_state()) == []


@pytest.mark.postgresql
def test_tables_in_a_schema_that_only_the_engine_knows(environment):
    """As hosts have them that keep each of their customers in a schema."""
    schema = f"customer_{uuid.uuid4().hex}"
    translation = {"schema_translate_map": {None: schema}}
    app = host.create_app(
        {
            "SQLALCHEMY_DATABASE_URI": environment["DATABASE_URL"],
            "SQLALCHEMY_ENGINE_OPTIONS": {"execution_options": translation},
        }
    )
    with app.app_context():
        db = app.extensions["sqlalchemy"]
        with db.engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        db.create_all()
        assert missing_names(current_app_state()) == []
        with db.engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {schema}.crewexec_step DROP COLUMN node_id")
        assert missing_names(current_app_state()) == ["crewexec_step.node_id"]
        db.engine.dispose()
