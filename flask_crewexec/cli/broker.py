"""The command ``flask crewexec broker``: an embedded server for development."""

from __future__ import annotations

import os
import re
import signal
import threading
import typing as t
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from .env_file import read_variable
from .env_file import write_variables

if t.TYPE_CHECKING:
    from ..embedded import EmbeddedValkey

DEFAULT_PORT: t.Final = 6399
VARIABLES: t.Final = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND")
_POLL_SECONDS: t.Final = 0.5
_OUR_URL: t.Final = r"redis://:([\w-]{{16,}})@127\.0\.0\.1:{port}/0"

_commands = AppGroup("broker")


@_commands.command("broker")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on the loopback interface.",
)
@click.option(
    "--env",
    "env_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=".env",
    show_default=True,
    help="File in which CELERY_BROKER_URL and CELERY_RESULT_BACKEND are set.",
)
@click.option("--no-env", is_flag=True, help="Print the two variables, and write no file.")
def broker(port: int, env_file: Path, no_env: bool) -> None:
    """Run a Valkey server for development, until Ctrl-C or SIGTERM.

    Its data stays in the instance folder. It needs the extra 'embedded'.
    """
    # Web processes load this module, too, and do not need the server.
    from ..embedded import EmbeddedValkey
    from ..embedded import PortTaken

    stop = _stop_event()
    home = Path(current_app.instance_path, "valkey")
    password = None if no_env else _former_password(env_file, port)
    try:
        with EmbeddedValkey(home, port=port, password=password) as valkey:
            _publish(valkey.url, None if no_env else env_file)
            _wait(valkey, stop)
    except PortTaken as error:
        raise click.ClickException(f"{error} Choose another one with '--port'.") from error
    except (RuntimeError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _stop_event() -> threading.Event:
    """Return an event that is set by the signals that end the command."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _former_password(env_file: Path, port: int) -> str | None:
    """Return the password of the last start, so that running processes can connect again."""
    url = read_variable(env_file, VARIABLES[0]) or ""
    found = re.fullmatch(_OUR_URL.format(port=port), url)
    return found[1] if found else None


def _publish(url: str, env_file: Path | None) -> None:
    """Tell other processes the URL: in a file, or by what is printed."""
    if env_file is None:
        for name in VARIABLES:
            click.echo(f"export {name}={url}")
        return
    former = {name: read_variable(env_file, name) for name in VARIABLES}
    write_variables(env_file, dict.fromkeys(VARIABLES, url))
    click.echo(f"The broker runs. Its URLs are in {env_file}; Ctrl-C stops it.")
    for name in VARIABLES:
        if os.environ.get(name) not in (None, url, former[name]):
            click.echo(f"Unset {name}: the environment takes precedence over the file.", err=True)


def _wait(valkey: EmbeddedValkey, stop: threading.Event) -> None:
    """Wait for a signal.

    :raises RuntimeError: if the server ends before.
    """
    while not stop.wait(_POLL_SECONDS):
        if not valkey.is_running:
            raise RuntimeError(f"The server has ended. Its log is '{valkey.log}'.")


COMMANDS: t.Final = (broker,)
