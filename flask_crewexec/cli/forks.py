"""The commands ``flask crewexec fork`` and ``flask crewexec compare``."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Sequence

import click
from flask.cli import AppGroup

from ..services.async_execution_service import AsyncExecutionService
from .comparison_lines import comparison_lines
from .comparison_lines import fork_lines
from .error_messages import OneLineCommand
from .limit_options import limit_options

_service: t.Final = AsyncExecutionService()
_commands = AppGroup("forks")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")

Pairs = Sequence[tuple[str, str]]


@_commands.command("fork", cls=OneLineCommand)
@click.argument("id")
@click.option("--from-step", metavar="STEP", help="First step that runs in any case.")
@click.option(
    "--output",
    "outputs",
    type=(str, str),
    multiple=True,
    metavar="STEP TEXT",
    help="Replace the output of a step.",
)
@click.option(
    "--input",
    "inputs",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    help="Change an input; VALUE is JSON, or else text.",
)
@click.option("--latest", is_flag=True, help="Run the newest version of the graph.")
@limit_options
@_as_json
def fork(
    id: str,
    from_step: str | None,
    outputs: Pairs,
    inputs: Pairs,
    latest: bool,
    as_json: bool,
    **limits: t.Any,
) -> None:
    """Queue a new execution that takes over finished steps of another one.

    ID is the id of that execution. What has changed runs, and what reads it; limits and inputs
    that are not given are as before.
    """
    forked = _service.fork(
        id,
        from_step=from_step,
        outputs=dict(outputs),
        inputs={name: _value(text) for name, text in inputs},
        graph_version="latest" if latest else "same",
        **limits,
    )
    click.echo(json.dumps(forked, indent=2) if as_json else "\n".join(fork_lines(forked)))


def _value(text: str) -> object:
    try:
        return t.cast(object, json.loads(text))
    except ValueError:
        return text


@_commands.command("compare", cls=OneLineCommand)
@click.argument("id")
@click.argument("other")
@_as_json
def compare(id: str, other: str, as_json: bool) -> None:
    """Show how another execution differs from one.

    ID is the id of the first execution. OTHER is the id of the second.
    """
    found = _service.compare(id, other)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(comparison_lines(found)))


COMMANDS: t.Final = (fork, compare)
