"""The command ``flask crewexec record``."""

from __future__ import annotations

import json
import typing as t

import click
from flask.cli import AppGroup

from ..services.async_execution_service import AsyncExecutionService
from .error_messages import OneLineCommand
from .escaping import one_line

_service: t.Final = AsyncExecutionService()
_commands = AppGroup("recordings")


@_commands.command("record", cls=OneLineCommand)
@click.argument("id")
def record(id: str) -> None:
    """Print an execution as JSON that tests replay.

    ID is the id of the execution. What the call log lacks is said on the standard error.
    """
    recording = _service.record(id)
    for sentence in recording["incomplete"]:
        click.echo(f"Warning: {one_line(sentence)}", err=True)
    click.echo(json.dumps(recording, indent=2))


COMMANDS: t.Final = (record,)
