"""Messages for errors of the database, in one line."""

from __future__ import annotations

import sqlalchemy as sa

from ..storage.database_errors import driver_message
from ..storage.database_errors import missing_table
from .escaping import one_line


def database_message(error: sa.exc.SQLAlchemyError) -> str:
    """Return what is wrong, or the driver's message without the statement and its values."""
    if table := missing_table(error):
        return (
            f"The database has no table '{one_line(table)}'. Run your migrations, or call"
            " 'db.create_all()'."
        )
    reported = driver_message(error).splitlines()[0]
    return f"The database did not answer: {one_line(reported)}"
