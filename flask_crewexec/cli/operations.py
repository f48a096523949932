"""Commands for operators: what waits, who works, what was used, and the pause of the queue."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections.abc import Iterable

import click
from flask.cli import AppGroup

from ..app_state import current_app_state
from ..messaging.broker import queue_depths
from ..schemas import load
from ..schemas import OwnerSchema
from ..schemas import QueuePauseSchema
from ..services import queue_pauses
from ..services.queue_pauses import PauseChange
from ..storage.queue_pause import read_pause
from ..storage.queue_stats import count_on_hold
from ..storage.usage_report import daily_usage
from ..storage.usage_report import DEFAULT_DAYS
from ..storage.workers import known_workers
from .error_messages import OneLineCommand
from .lists import pause_lines
from .lists import queue_lines
from .lists import usage_lines
from .lists import worker_lines

_MAX_WORKERS: t.Final = 1_000

_commands = AppGroup("operations")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_by = click.option("--by", metavar="ID", help="Id of the user who does this, for others to see.")
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
    app_state = current_app_state()
    seen = known_workers(app_state, _MAX_WORKERS)
    stale_after = app_state.settings.stale_worker_after
    rows = [
        {
            "name": worker.name,
            "silent_seconds": silent,
            "alive": silent < stale_after,
            "pool": worker.pool,
            "concurrency": worker.concurrency,
            "queues": worker.queues,
        }
        for worker, silent in seen
    ]
    _print(rows, worker_lines(seen, stale_after), as_json)


@_commands.command("usage", cls=OneLineCommand)
@click.option("--since", type=_day, help=f"First day (UTC); by default {DEFAULT_DAYS} days ago.")
@click.option("--until", type=_day, help="Last day (UTC); by default today.")
@click.option("--user", help="Only that of the user with this id.")
@_as_json
def usage(
    since: dt.datetime | None, until: dt.datetime | None, user: str | None, as_json: bool
) -> None:
    """Show usage and cost by user and day, newest first."""
    app_state = current_app_state()
    rows = daily_usage(
        app_state,
        None,
        since=None if since is None else since.date(),
        until=None if until is None else until.date(),
        user_id=None if user is None else load(OwnerSchema(), {"user_id": user})["user_id"],
    )
    found = [{**row._asdict(), "usage": row.usage._asdict()} for row in rows]
    _print(found, usage_lines(rows, app_state.settings.currency), as_json)


def _print(found: object, lines: Iterable[str], as_json: bool) -> None:
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines))


COMMANDS: t.Final = (queue, pause_queue, resume_queue, workers, usage)
