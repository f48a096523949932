"""What cannot be reached, in one line."""

from __future__ import annotations

import sqlalchemy as sa

from ..storage.database_errors import driver_message
from ..storage.database_errors import missing_table
from .escaping import one_line


def database_trouble(error: sa.exc.SQLAlchemyError) -> str:
    """Say what is wrong, else what the driver says, without the statement and its values."""
    if table := missing_table(error):
        return (
            f"The database has no table '{one_line(table)}'. Run your migrations, or call"
            " 'db.create_all()'."
        )
    reported = driver_message(error).splitlines()[0]
    return f"The database did not answer: {one_line(reported)}"
