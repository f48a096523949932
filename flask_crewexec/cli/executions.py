"""The commands of ``flask crewexec`` that concern executions: ``status``, ``list`` and others."""

from __future__ import annotations

import json
import typing as t

import click
from flask.cli import AppGroup

from ..app_state import current_app_state
from ..errors import WrongState
from ..schemas import MAX_INTEGER
from ..schemas import MAX_PAGE
from ..services import event_stream
from ..services.async_execution_service import AsyncExecutionService
from ..statuses import ExecutionStatus
from .error_messages import OneLineCommand
from .formatting import call_lines
from .formatting import event_line
from .formatting import status_lines
from .limit_options import limit_options
from .lists import execution_lines
from .lists import outcome_lines

_service: t.Final = AsyncExecutionService()


_commands = AppGroup("executions")
_id = click.argument("id")
_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@_commands.command("status", cls=OneLineCommand)
@_id
@_as_json
def status(id: str, as_json: bool) -> None:
    """Show an execution with its steps and result.

    ID is the id of the execution.
    """
    found = _service.get_task_status(id)
    click.echo(_as_json_text(found) if as_json else "\n".join(status_lines(found)))


@_commands.command("list", cls=OneLineCommand)
@click.option(
    "--status",
    type=click.Choice([*map(str, ExecutionStatus)]),
    help="Only those with this status.",
)
@click.option("--user", "user_id", help="Only those of the user with this id.")
@click.option("--graph", "graph_id", help="Only those of the graph with this id.")
@click.option("--thread", "thread_id", help="Only those of this thread.")
@click.option("--code", help="Only those whose error has this code.")
@click.option(
    "--created-after",
    metavar="TIME",
    help="Only those of this time or later, such as 2026-11-29T10:00; UTC without an offset.",
)
@click.option("--created-before", metavar="TIME", help="Only those of an earlier time.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_PAGE),
    default=20,
    show_default=True,
    help="Maximum number of executions.",
)
@_as_json
def list_(limit: int, as_json: bool, **filters: str | None) -> None:
    """List executions, newest first."""
    given: dict[str, t.Any] = {k: v for k, v in filters.items() if v is not None}
    found = _service.list_executions(limit=limit, **given)
    click.echo(_as_json_text(found) if as_json else _as_table(found))


@_commands.command("tail", cls=OneLineCommand)
@_id
@click.option(
    "--after",
    type=click.IntRange(0, MAX_INTEGER),
    default=0,
    help="Only events after the one with this number.",
)
@click.pass_context
def tail(ctx: click.Context, id: str, after: int) -> None:
    """Print the events of an execution until it has ended.

    ID is the id of the execution. The exit code is 0 if it has completed, otherwise 1.
    """
    for event in event_stream.tail(id, after=after):
        click.echo(event_line(event))
    completed = _service.get_task_status(id)["status"] == ExecutionStatus.COMPLETED
    ctx.exit(0 if completed else 1)


@_commands.command("calls", cls=OneLineCommand)
@_id
@click.option(
    "--step",
    type=click.IntRange(1, MAX_INTEGER),
    help="Only calls of the step with this number, from 1.",
)
@_as_json
def calls(id: str, step: int | None, as_json: bool) -> None:
    """Print the model calls, tool calls and checks of an execution.

    ID is the id of the execution. Long requests and answers are shortened, except with --json.
    """
    position = None if step is None else step - 1
    found: list[dict[str, t.Any]] = []
    while page := _service.get_calls(id, step=position, after=found[-1]["number"] if found else 0):
        found += page
    click.echo(_as_json_text(found) if as_json else "\n".join(call_lines(found)))


@_commands.command("cancel", cls=OneLineCommand)
@_ids
@click.option("--reason", help="Reason, which the owner will see.")
@click.pass_context
def cancel(ctx: click.Context, /, ids: tuple[str, ...], reason: str | None) -> None:
    """Cancel executions: at once, or before their next model or tool call.

    ID is the id of an execution. With several, each gets a line, and the exit code is 1 if one of
    them was not cancelled.
    """
    if len(ids) > 1:
        _report(ctx, _service.cancel_several(ids, reason=reason))
    else:
        _cancel_one(ids[0], reason)


def _cancel_one(id: str, reason: str | None) -> None:
    is_cancelled = _service.cancel_task(id, reason=reason)
    status = _service.get_task_status(id)["status"]
    if not is_cancelled:
        raise WrongState(f"The execution is '{status}' already; there is nothing to cancel.")
    click.echo(
        "The execution will stop before its next call."
        if status == ExecutionStatus.RUNNING
        else f"The execution is {status}."
    )


@_commands.command("retry", cls=OneLineCommand)
@_ids
@limit_options
@click.pass_context
def retry(ctx: click.Context, /, ids: tuple[str, ...], **limits: t.Any) -> None:
    """Retry ended executions after their completed steps.

    ID is the id of an execution. Limits include what earlier attempts have used, except for the
    timeout, which starts again. With several, each gets a line, and the exit code is 1 if one of
    them was not queued.
    """
    if len(ids) > 1:
        _report(ctx, _service.retry_several(ids, **limits))
        return
    queued = _service.retry(ids[0], **limits)
    click.echo("The execution is queued as attempt {attempt}.".format_map(queued))


def _report(ctx: click.Context, outcomes: list[dict[str, t.Any]]) -> None:
    """Print what came of several executions; the exit code is 1 if something was not done."""
    for line in outcome_lines(outcomes):
        click.echo(line)
    ctx.exit(1 if any(one["error"] for one in outcomes) else 0)


COMMANDS: t.Final = (status, list_, tail, calls, cancel, retry)


def _as_table(executions: list[dict[str, t.Any]]) -> str:
    return "\n".join(execution_lines(executions, current_app_state().settings.currency))


def _as_json_text(found: object) -> str:
    return json.dumps(found, indent=2)
