"""Configuration of the database engine."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import Flask

from .extensions import db


def prepare_engine(app: Flask) -> None:
    """Let web and worker processes share a SQLite file."""
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _share_file)


def _share_file(connection: t.Any, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # readers do not wait for a writer
    cursor.execute("PRAGMA busy_timeout = 10000")  # writers wait for each other
    cursor.close()
