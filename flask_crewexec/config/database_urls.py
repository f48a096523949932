"""The URL of the database, as Flask-SQLAlchemy and Flask-SQLAlchemy-Lite read it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

import sqlalchemy as sa

from ..errors import ConfigError

SUPPORTED_DIALECTS: t.Final = ("postgresql", "sqlite")


def check_database_url(config: Mapping[str, t.Any], bind_key: str | None) -> None:
    """Check that the database is one on which the extension works.

    Only the configuration is read, so neither an engine nor a driver is needed.

    :param bind_key: of the database for our tables; None for the default one.
    :raises ConfigError: if it is anything else.
    """
    for key, value in _configured(config, bind_key):
        dialect = _dialect_of(value)
        if dialect is not None and dialect not in SUPPORTED_DIALECTS:
            raise ConfigError(
                f"'{key}' names a database of the kind '{dialect}'. Flask-CrewExec keeps its tables"
                " in PostgreSQL ('postgresql+psycopg://…') or, on one machine, in SQLite"
                " ('sqlite:///…'). If your own tables are to stay where they are, configure a"
                " second database, and pass its 'bind_key' to 'CrewExec'."
            )


def _configured(config: Mapping[str, t.Any], bind_key: str | None) -> Iterator[tuple[str, t.Any]]:
    """Yield what is configured for the database, with the name of its setting."""
    name = "default" if bind_key is None else bind_key
    binds = config.get("SQLALCHEMY_BINDS") or {}
    engines = config.get("SQLALCHEMY_ENGINES") or {}
    if bind_key is None:
        yield "SQLALCHEMY_DATABASE_URI", config.get("SQLALCHEMY_DATABASE_URI")
        yield "SQLALCHEMY_ENGINE_OPTIONS", config.get("SQLALCHEMY_ENGINE_OPTIONS")
    yield f"SQLALCHEMY_BINDS[{bind_key!r}]", binds.get(bind_key)
    yield f"SQLALCHEMY_ENGINES[{name!r}]", engines.get(name)


def _dialect_of(value: t.Any) -> str | None:
    """Return the dialect of a URL, or of options with a URL; None if that is not known."""
    url: t.Any = value.get("url") if isinstance(value, Mapping) else value
    if isinstance(url, Mapping):
        url = url.get("drivername", "") + "://"
    try:
        return sa.make_url(url).get_backend_name()
    except sa.exc.ArgumentError:
        return None  # the host's ``db`` reports it
