"""What cannot be reached, in one line."""

from __future__ import annotations

import sqlalchemy as sa

from .safe import one_line


def database_trouble(error: sa.exc.SQLAlchemyError) -> str:
    """Say what the database's driver says, without the statement and its values."""
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return f"The database did not answer: {one_line(said.splitlines()[0])}"
