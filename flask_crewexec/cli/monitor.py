"""The command ``celery -A myapp.celery_app monitor``.

Celery finds it by its entry point and imports this module for every command, so the modules that
draw the page are imported only when they are needed.
"""

from __future__ import annotations

import contextlib
import signal
import typing as t

import click
from celery.bin.base import CeleryCommand
from celery.bin.base import handle_preload_options
from flask import Flask


@click.command("monitor", cls=CeleryCommand)
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600.0),
    default=2.0,
    show_default=True,
    help="Seconds between two updates.",
)
@click.option("--once", is_flag=True, help="Print the page once and exit.")
@click.pass_context
@handle_preload_options  # type: ignore[untyped-decorator]  # Celery ships no types
def monitor(ctx: click.Context, interval: float, once: bool, **preload_options: object) -> None:
    """Watch the queues, workers and executions of Flask-CrewExec.

    Ctrl-C ends it. With '--once' the exit code is 0 if database and broker work, otherwise 1.
    """
    from .live_view import is_live
    from .live_view import new_console
    from .live_view import show_live
    from .live_view import show_once

    app = _flask_app(ctx.obj.app)
    console = new_console(no_color=ctx.obj.no_color)
    if once or not is_live(console):
        ctx.exit(0 if show_once(app, console) else 1)
    # Restore the terminal also when terminated.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        show_live(app, console, interval)


def _flask_app(celery: t.Any) -> Flask:
    app = getattr(celery, "flask_app", None)
    if not isinstance(app, Flask) or "crewexec" not in app.extensions:
        raise click.ClickException(
            f"The Celery app '{celery.main or 'default'}' does not belong to a Flask application"
            " with 'CrewExec'. Pass the module of the right one:"
            " 'celery -A myapp.celery_app monitor'."
        )
    return app
