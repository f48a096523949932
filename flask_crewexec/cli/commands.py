"""The commands ``flask crewexec …``."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections.abc import Sequence

import click
from celery import Celery
from flask import current_app
from flask.cli import AppGroup
from flask.cli import ScriptInfo
from marshmallow import ValidationError

from ..app_state import current_app_state
from ..errors import CrewExecError
from ..observability.logs import log_json_early
from ..storage.retention import count_purgeable
from ..storage.retention import purge
from ..storage.retention import retention_cutoff
from ..tasks import HANDLERS
from . import broker
from . import check
from . import erasure
from . import executions
from . import forks
from . import input_requests
from . import operations
from . import recordings
from .graphs import graphs
from .webhooks import webhooks

_PASS_THROUGH: t.Final[dict[str, t.Any]] = {
    "with_appcontext": False,  # children of a worker must not inherit one
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True},
}


def command_group() -> AppGroup:
    """Return a new ``crewexec`` group; each application needs its own."""
    group = AppGroup("crewexec", help="Run and manage crews.")
    for command in (
        worker,
        beat,
        invoke,
        prune,
        openapi,
        erasure.erase,
        graphs,
        webhooks,
        *executions.COMMANDS,
        *forks.COMMANDS,
        *input_requests.COMMANDS,
        *operations.COMMANDS,
        *recordings.COMMANDS,
        *check.COMMANDS,
        *broker.COMMANDS,
    ):
        group.add_command(command)
    return group


_commands = AppGroup("crewexec")


@_commands.command("worker", **_PASS_THROUGH)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Run N worker processes that share memory.",
)
@click.option("--pin", is_flag=True, help="Pin each process to a CPU; for '--pool threads'.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[CELERY OPTIONS]...")
@click.pass_context
def worker(context: click.Context, options: Sequence[str], processes: int, pin: bool) -> None:
    """Run a worker; takes every option of 'celery worker'."""
    # Imported here, since web processes load this module too and these imports take half a second.
    from ..worker.multi_process import prefork_workers

    celery = _load_celery(context.obj)
    if "--help" in options:
        click.echo(
            f"{context.get_help()}\n\nOptions of 'celery worker', all of which can be given here:\n"
        )
    elif processes > 1 or pin:
        options = prefork_workers(celery, processes, options, pin=pin)
    _run_celery(celery, "worker", options)


@_commands.command("beat", **_PASS_THROUGH)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def beat(info: ScriptInfo, options: tuple[str, ...]) -> None:
    """Send the periodic tasks; takes every option of 'celery beat'."""
    _run_celery(_load_celery(info), "beat", options)


@_commands.command("invoke")
@click.argument("task", type=click.Choice(sorted(HANDLERS)))
@click.argument("event")
def invoke(task: str, event: str) -> None:
    """Run a task module in this process, without Celery.

    TASK is 'cleanup' or 'execution'. EVENT is its event as JSON, such as '{"execution_id": "…"}'.
    """
    try:
        result = HANDLERS[task](_parse(event))
    except (CrewExecError, ValidationError) as error:
        raise click.ClickException(f"The event does not fit '{task}': {error}") from error
    click.echo(json.dumps(result))


@_commands.command("prune")
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Keep executions that ended in the last N days; also 0.5.",
)
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Keep at most N executions.")
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
def prune(days: float | None, keep: int | None, dry_run: bool) -> None:
    """Remove ended executions with their steps, outputs and events.

    The defaults of the options are CREWEXEC_KEEP_FOR and CREWEXEC_KEEP_COUNT.
    """
    app_state = current_app_state()
    age = None if days is None else dt.timedelta(days=days)
    until = retention_cutoff(app_state, age, keep)
    counts = count_purgeable(app_state, until)
    if not dry_run:
        purge(app_state, until)
    listed = ", ".join(f"{number} {name}" for name, number in counts.items())
    click.echo(f"{'Would remove' if dry_run else 'Removed'} {listed}.")


@_commands.command("openapi")
@click.option(
    "--output", type=click.File("w"), default="-", help="Write it to this file instead of printing."
)
@click.option(
    "--server", default="/", show_default=True, help="URL to which the paths are relative."
)
def openapi(output: t.TextIO, server: str) -> None:
    """Print the OpenAPI document of the routes, for instance to generate clients."""
    from ..web.openapi import describe

    click.echo(json.dumps(describe(current_app, server), indent=2), output)


def _parse(event: str) -> dict[str, t.Any]:
    try:
        parsed = json.loads(event)
    except ValueError as error:
        raise ValidationError(f"it is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ValidationError("it must be a JSON object")
    return parsed


def _load_celery(info: ScriptInfo) -> Celery:
    app = info.load_app()
    log_json_early(app)
    with app.app_context():
        return current_app_state().celery


def _run_celery(celery: Celery, command: str, options: Sequence[str]) -> None:
    """Run a command of Celery's and exit; Celery's own methods would lose the exit status."""
    from celery.bin.celery import celery as celery_command

    arguments = [*_global_options(celery), command, *options]
    group = click.get_current_context().parent
    name = "flask crewexec" if group is None else group.command_path
    celery_command.main(arguments, prog_name=name, default_map={"app": celery})


def _global_options(celery: Celery) -> list[str]:
    """Return the options of 'celery' itself: no banner where each line is to be JSON."""
    with celery.flask_app.app_context():
        return ["--quiet"] if current_app_state().settings.log_format == "json" else []
