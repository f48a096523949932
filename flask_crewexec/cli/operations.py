"""Commands for operators: what waits, who works, what was used, and the pause of the queue."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections.abc import Iterable

import click
from flask.cli import AppGroup

from ..app_state import current_app_state
from ..errors import NotFound
from ..messaging.broker import queue_depths
from ..schemas import load
from ..schemas import OwnerSchema
from ..schemas import QueuePauseSchema
from ..schemas import WorkerSchema
from ..services import queue_pauses
from ..services import worker_control
from ..services.queue_pauses import PauseChange
from ..services.worker_control import list_workers
from ..statuses import AfterDrain
from ..statuses import UsageGroup
from ..storage.queue_pause import read_pause
from ..storage.queue_stats import count_on_hold
from ..storage.usage_report import daily_usage
from ..storage.usage_report import DailyUsage
from ..storage.usage_report import DEFAULT_DAYS
from .error_messages import OneLineCommand
from .escaping import one_line
from .lists import pause_lines
from .lists import queue_lines
from .lists import usage_lines
from .lists import worker_lines

_commands = AppGroup("operations")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_by = click.option("--by", metavar="ID", help="Id of the user who does this, for others to see.")
_worker = click.argument("worker")
_day = click.DateTime(["%Y-%m-%d"])


@_commands.command("queue", cls=OneLineCommand)
@_as_json
def queue(as_json: bool) -> None:
    """Show how many messages wait in each queue, what is on hold, and whether it is paused."""
    app_state = current_app_state()
    counts = {**queue_depths(app_state), "on hold": count_on_hold(app_state)}
    pause = read_pause(app_state)
    found = {**counts, "pause": None if pause is None else QueuePauseSchema().dump(pause)}
    _print(found, [*queue_lines(counts), *pause_lines(pause)], as_json)


@_commands.command("pause-queue", cls=OneLineCommand)
@click.option("--reason", help="Reason, which other managers will see.")
@_by
def pause_queue(reason: str | None, by: str | None) -> None:
    """Let no further execution start, until 'resume-queue'. What runs goes on.

    Submissions are accepted, and wait.
    """
    change = queue_pauses.pause_queue(current_app_state(), by, reason)
    _print_change(change, "The queue was paused already.")


@_commands.command("resume-queue", cls=OneLineCommand)
@_by
def resume_queue(by: str | None) -> None:
    """Start executions again, after 'pause-queue'."""
    change = queue_pauses.resume_queue(current_app_state(), by)
    _print_change(change, "The queue was not paused.")


def _print_change(change: PauseChange, unchanged: str) -> None:
    lines = [*pause_lines(change.pause)] or ["Executions start."]
    click.echo("\n".join(lines if change.is_changed else [unchanged, *lines]))


@_commands.command("workers", cls=OneLineCommand)
@_as_json
def workers(as_json: bool) -> None:
    """Show the workers that have not signed off, those with the latest heartbeat first."""
    found = list_workers(current_app_state())
    rows = [
        {
            **WorkerSchema().dump(each),
            "silent_seconds": each.silent,
            "alive": each.is_alive,
        }
        for each in found
    ]
    _print(rows, worker_lines(found), as_json)


@_commands.command("drain-worker", cls=OneLineCommand)
@_worker
@click.option("--stop", is_flag=True, help="Stop it afterwards; otherwise it stays idle.")
@_by
def drain_worker(worker: str, stop: bool, by: str | None) -> None:
    """Let a worker finish what it runs, and take nothing new.

    WORKER is the name of a live worker, or its id. It obeys with its next heartbeat.
    """
    then = AfterDrain.STOP if stop else AfterDrain.IDLE
    found = worker_control.drain_worker(current_app_state(), _id_of(worker), then, by)
    afterwards = "stops" if stop else "stays idle until it is resumed"
    click.echo(
        f"'{one_line(found.row.name)}' takes nothing new. When it has finished, it {afterwards}."
    )


@_commands.command("resume-worker", cls=OneLineCommand)
@_worker
@_by
def resume_worker(worker: str, by: str | None) -> None:
    """Let a worker take tasks again, after 'drain-worker'.

    WORKER is the name of a live worker, or its id.
    """
    found = worker_control.resume_worker(current_app_state(), _id_of(worker), by)
    click.echo(f"'{one_line(found.row.name)}' takes tasks again.")


def _id_of(worker: str) -> str:
    """Return the id of the live worker with this name; other text as it is.

    :raises NotFound: if the version of that worker gives none.
    """
    for each in list_workers(current_app_state()):
        if each.row.name == worker and each.is_alive:
            if each.row.id is None:
                raise NotFound(f"The version of '{worker}' cannot be drained. Upgrade it.")
            return str(each.row.id)
    return worker


@_commands.command("usage", cls=OneLineCommand)
@click.option("--since", type=_day, help=f"First day (UTC); by default {DEFAULT_DAYS} days ago.")
@click.option("--until", type=_day, help="Last day (UTC); by default today.")
@click.option("--user", help="Only that of the user with this id.")
@click.option(
    "--by",
    "group_by",
    type=click.Choice([group.value for group in UsageGroup]),
    default=UsageGroup.USER.value,
    show_default=True,
    help="Whose totals of each day are shown.",
)
@_as_json
def usage(
    since: dt.datetime | None,
    until: dt.datetime | None,
    user: str | None,
    group_by: str,
    as_json: bool,
) -> None:
    """Show usage and cost by day, newest first."""
    app_state = current_app_state()
    rows = daily_usage(
        app_state,
        None,
        since=None if since is None else since.date(),
        until=None if until is None else until.date(),
        user_id=None if user is None else load(OwnerSchema(), {"user_id": user})["user_id"],
        group_by=group_by,
    )
    found = [_usage_as_json(row) for row in rows]
    _print(found, usage_lines(rows, group_by, app_state.settings.currency), as_json)


def _usage_as_json(row: DailyUsage) -> dict[str, object]:
    id = None if row.graph_id is None else str(row.graph_id)
    return {**row._asdict(), "graph_id": id, "usage": row.usage._asdict()}


def _print(found: object, lines: Iterable[str], as_json: bool) -> None:
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines))


COMMANDS: t.Final = (queue, pause_queue, resume_queue, workers, drain_worker, resume_worker, usage)
