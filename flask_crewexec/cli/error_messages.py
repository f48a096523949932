"""Messages for errors, in one line."""

from __future__ import annotations

import typing as t

import click
import sqlalchemy as sa

from ..errors import CrewExecError
from ..storage.database_errors import driver_message
from ..storage.database_errors import is_read_only
from ..storage.database_errors import missing_object
from .escaping import one_line


def database_message(error: sa.exc.SQLAlchemyError) -> str:
    """Return what is wrong, or the driver's message without the statement and its values."""
    if missing := missing_object(error):
        return (
            f"The database has no {one_line(missing)}. Run your migrations, or call"
            " 'db.create_all()'."
        )
    if is_read_only(error):
        return "The database accepts no changes at the moment. Try again later."
    reported = driver_message(error).splitlines()[0]
    return f"The database did not answer: {one_line(reported)}"


class OneLineCommand(click.Command):
    """A command that ends with one sentence if it fails."""

    def invoke(self, ctx: click.Context) -> t.Any:
        try:
            return super().invoke(ctx)
        except CrewExecError as error:
            raise click.ClickException(one_line(error.detail)) from error
        except sa.exc.SQLAlchemyError as error:
            raise click.ClickException(database_message(error)) from error
