"""``celery -A myapp.celery_app monitor``.

Celery's command line finds it by its entry point and imports this module whatever the command
is, so what draws the page is only imported to draw it.
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
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Print the page once, as if this were no terminal.")
@click.pass_context
@handle_preload_options  # type: ignore[untyped-decorator]  # Celery ships no types
def monitor(ctx: click.Context, interval: float, once: bool, **preload_options: object) -> None:
    """Watch queues, workers and crews; for Flask-CrewExec.

    Ctrl-C ends it. Printed once, the exit code is 0 if database and broker have answered, else 1.
    """
    from .live_view import is_live
    from .live_view import new_console
    from .live_view import show_live
    from .live_view import show_once

    app = _flask_app(ctx.obj.app)
    console = new_console(no_color=ctx.obj.no_color)
    if once or not is_live(console):
        ctx.exit(0 if show_once(app, console) else 1)
    # Told to end, leave the terminal as it was.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        show_live(app, console, interval)


def _flask_app(celery: t.Any) -> Flask:
    app = getattr(celery, "flask_app", None)
    if not isinstance(app, Flask) or "crewexec" not in app.extensions:
        raise click.ClickException(
            f"The Celery app '{celery.main or 'default'}' belongs to no Flask application with"
            " 'CrewExec'. Name the module that holds the right one:"
            " 'celery -A myapp.celery_app monitor'."
        )
    return app
