"""Waiting for a database that cannot answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import TimeoutError as NoConnection

from flask_crewexec.runtime.database_retry import retry_while_unavailable


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """Of one connection, for which nobody waits long."""
    engine = sa.create_engine(
        "sqlite://", poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    yield engine
    engine.dispose()


def test_a_connection_that_others_have_is_waited_for(engine):
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


def test_but_not_for_ever(engine):
    with engine.connect(), pytest.raises(NoConnection):
        retry_while_unavailable(engine.connect, 0.0)
