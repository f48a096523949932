"""Retries while the database is unavailable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import TimeoutError as NoConnection

from flask_crewexec.runtime.database_retry import retry_while_unavailable


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """An engine with one connection and a short timeout."""
    engine = sa.create_engine(
        "sqlite://", poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    yield engine
    engine.dispose()


def test_it_waits_for_a_free_connection(engine):
    held = engine.connect()
    tries = []

    def ask():
        tries.append(held.closed)
        if len(tries) == 2:
            held.close()
        with engine.connect() as connection:
            return connection.scalar(sa.text("SELECT 7"))

    assert retry_while_unavailable(ask, 10.0) == 7
    assert tries == [False, False]


def test_it_gives_up_after_the_given_time(engine):
    with engine.connect(), pytest.raises(NoConnection):
        retry_while_unavailable(engine.connect, 0.0)
