"""Options for the limits of one execution."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import click

from ..schemas import MAX_INTEGER
from ..schemas import MAX_TIMEOUT

Command = t.TypeVar("Command", bound=Callable[..., t.Any])

_COUNT: t.Final = click.IntRange(1, MAX_INTEGER)
_OPTIONS: t.Final = (
    click.option(
        "--timeout",
        type=click.FloatRange(0, MAX_TIMEOUT, min_open=True),
        metavar="SECONDS",
        help="Seconds from the first start.",
    ),
    click.option(
        "--max-llm-calls", type=_COUNT, metavar="N", help="Maximum number of model calls."
    ),
    click.option(
        "--max-tool-calls", type=_COUNT, metavar="N", help="Maximum number of tool calls."
    ),
    click.option(
        "--max-tokens", type=_COUNT, metavar="N", help="Tokens after which no call is made."
    ),
)


def limit_options(command: Command) -> Command:
    """Let a command take limits, which are None unless they are given."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
