"""Databases on which the extension does not work are refused, without their drivers."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_crewexec import CrewExec
from flask_crewexec.config.database_urls import check_database_url
from flask_crewexec.errors import ConfigError

REFUSED = [
    (None, {"SQLALCHEMY_DATABASE_URI": "mysql+pymysql://ada:secret@db/app"}),
    (None, {"SQLALCHEMY_DATABASE_URI": "mysql://db/app"}),
    (None, {"SQLALCHEMY_DATABASE_URI": sa.make_url("mariadb+mariadbconnector://db/app")}),
    (None, {"SQLALCHEMY_ENGINE_OPTIONS": {"url": "oracle+oracledb://db"}}),
    (None, {"SQLALCHEMY_BINDS": {None: "mssql+pyodbc://db"}}),
    (None, {"SQLALCHEMY_ENGINES": {"default": "mysql://db/app"}}),
    (None, {"SQLALCHEMY_ENGINES": {"default": {"url": {"drivername": "mysql+pymysql"}}}}),
    ("crews", {"SQLALCHEMY_BINDS": {"crews": {"url": "mysql://db/app"}}}),
    ("crews", {"SQLALCHEMY_ENGINES": {"crews": "cockroachdb://db/app"}}),
]
ACCEPTED = [
    (None, {}),
    (None, {"SQLALCHEMY_DATABASE_URI": "sqlite://"}),
    (None, {"SQLALCHEMY_DATABASE_URI": "postgresql+psycopg://db/app"}),
    (None, {"SQLALCHEMY_DATABASE_URI": "not a URL"}),  # the host's db says so
    ("crews", {"SQLALCHEMY_DATABASE_URI": "mysql://", "SQLALCHEMY_BINDS": {"crews": "sqlite://"}}),
]


@pytest.mark.parametrize(("bind_key", "config"), REFUSED)
def test_other_databases_are_refused(bind_key, config):
    with pytest.raises(ConfigError, match="keeps its tables in PostgreSQL") as raised:
        check_database_url(config, bind_key)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("bind_key", "config"), ACCEPTED)
def test_nothing_else_is_refused(bind_key, config):
    check_database_url(config, bind_key)


@pytest.mark.parametrize("arguments", [{}, {"db": SQLAlchemy()}])
def test_an_application_is_refused_before_it_has_an_engine(arguments):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "mysql+pymysql://db/app"
    with pytest.raises(ConfigError, match=r"'SQLALCHEMY_DATABASE_URI' names .* 'mysql'"):
        CrewExec(app, **arguments)
    assert not app.extensions
