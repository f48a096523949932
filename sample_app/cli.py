"""The commands ``up``, ``demo`` and ``seed`` of ``flask --app sample_app``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext

from .seeding import seed


def default_home() -> Path:
    """Return the demo's folder in the user's cache folder."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "flask-crewexec-demo"


def add_commands(app: Flask) -> None:
    """Add the commands of this module to *app*."""
    app.cli.add_command(up_command)
    app.cli.add_command(demo_command)
    app.cli.add_command(seed_command)


_port = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the web server; by default any free one.",
)
_home = click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Folder for data and logs; by default in the user's cache folder.",
)


@click.command("up")
@_port
@_home
@click.option(
    "--pace",
    type=click.FloatRange(min=0),
    default=0.05,
    show_default=True,
    metavar="SECONDS",
    help="Time between two words of the scripted model.",
)
def up_command(port: int, home: Path | None, pace: float) -> None:
    """Start everything on this machine, and print a link to the start page.

    Without a model of your own, a scripted one answers. Ctrl-C stops everything.
    """
    from .demo.up import Options  # other commands do not need it
    from .demo.up import run

    sys.exit(run(Options(port, home or default_home(), pace)))


@click.command("seed")
@click.option("--name", default="demo", show_default=True, help="Name of the user.")
@click.option("--admin", is_flag=True, help="Let the user manage the crews of all users.")
@with_appcontext
def seed_command(name: str, admin: bool) -> None:
    """Create the tables, a user, notes and graphs.

    A user who exists receives a new token, and the old one stops working.
    """
    seeded = seed(name, admin=admin)
    click.echo(f"token of '{name}', shown only once: {seeded.token}")
    for graph, graph_id in seeded.graphs.items():
        click.echo(f"graph '{graph}': {graph_id}")


@click.command("demo")
@click.option("--topic", default="honey bees", show_default=True, help="Topic of the crew.")
@click.option("--serve", is_flag=True, help="Keep everything running and print commands to try.")
@click.option("--scripted", is_flag=True, help="Use fixed answers instead of a real model.")
@_port
@_home
def demo_command(topic: str, serve: bool, scripted: bool, port: int, home: Path | None) -> None:
    """Run a crew from end to end: broker, model, worker and web server, all on this machine."""
    from .demo.run import Options  # other commands do not need it
    from .demo.run import run

    sys.exit(run(Options(topic, serve, scripted, port, home or default_home())))
