"""The command ``flask crewexec erase``."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

import click
from flask.cli import AppGroup

from ..app_state import current_app_state
from ..errors import WrongState
from ..schemas import load
from ..schemas import OwnerSchema
from ..services.erasure import DEFAULT_WAIT
from ..services.erasure import erase_user
from ..services.erasure import Erasure
from .error_messages import OneLineCommand

_commands = AppGroup("erasure")
_REMAINING: t.Final = (
    "{} rows of the user have been stored in the meantime, or are in use. Sign the user out, and"
    " erase again."
)


@_commands.command("erase", cls=OneLineCommand)
@click.option("--user", required=True, help="Id of the user.")
@click.option("--dry-run", is_flag=True, help="Only print what would be erased.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=DEFAULT_WAIT,
    show_default=True,
    metavar="SECONDS",
    help="How long running executions may take to stop.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def erase(user: str, dry_run: bool, wait: float, as_json: bool) -> None:
    """Erase all that a user has stored, and the user's name from what belongs to others.

    Executions that have not ended are cancelled first. The sums of what was used stay, without a
    name. This cannot be undone.
    """
    user_id = load(OwnerSchema(), {"user_id": user})["user_id"]
    erased = erase_user(current_app_state(), user_id, dry_run=dry_run, wait=wait)
    click.echo(
        json.dumps(dataclasses.asdict(erased), indent=2) if as_json else "\n".join(_lines(erased))
    )
    if erased.remaining:
        raise WrongState(_REMAINING.format(erased.remaining))


def _lines(erased: Erasure) -> Iterator[str]:
    would = "Would be " if erased.is_dry_run else ""
    yield from _section(f"{would}deleted rows", erased.deleted)
    yield from _section(f"{would}pseudonymised", erased.pseudonymised)
    yield from _section(f"{would}erased by the application", erased.host)
    if erased.running:
        yield f"Executions that {'run' if erased.is_dry_run else 'still ran'}: {erased.running}"


def _section(title: str, counts: Mapping[str, int]) -> Iterator[str]:
    listed = {name: number for name, number in counts.items() if number}
    yield f"{title[0].upper()}{title[1:]}: {sum(listed.values())}"
    for name, number in sorted(listed.items()):
        yield f"  {name:<40} {number:>10}"
