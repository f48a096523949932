"""The commands ``flask crewexec queue``, ``workers`` and ``usage``, for operators."""

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
from ..storage.queue_stats import count_on_hold
from ..storage.usage_report import daily_usage
from ..storage.usage_report import DEFAULT_DAYS
from ..storage.workers import known_workers
from .error_messages import OneLineCommand
from .lists import queue_lines
from .lists import usage_lines
from .lists import worker_lines

_MAX_WORKERS: t.Final = 1_000

_commands = AppGroup("operations")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_day = click.DateTime(["%Y-%m-%d"])


@_commands.command("queue", cls=OneLineCommand)
@_as_json
def queue(as_json: bool) -> None:
    """Show how many messages wait in each queue, and how many executions are on hold."""
    app_state = current_app_state()
    found = {**queue_depths(app_state), "on hold": count_on_hold(app_state)}
    _print(found, queue_lines(found), as_json)


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


COMMANDS: t.Final = (queue, workers, usage)
