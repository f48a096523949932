"""Every option and argument of our commands says what it means."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from flask_crewexec.cli.commands import command_group
from flask_crewexec.cli.monitor import monitor


def commands_of(command: click.Command, *names: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(names), command
        return
    for name, child in command.commands.items():
        yield from commands_of(child, *names, name)


COMMANDS = {**dict(commands_of(command_group())), "monitor": monitor}
every_command = pytest.mark.parametrize("name", COMMANDS)


@every_command
def test_each_option_has_a_help_text(name):
    options = [each for each in COMMANDS[name].params if isinstance(each, click.Option)]
    assert [option.opts for option in options if not option.help] == []


@every_command
def test_the_help_of_the_command_explains_each_argument(name):
    """By its name in capitals, as click recommends; Celery explains the options passed to it."""
    command = COMMANDS[name]
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    ours = [each for each in arguments if each.type is not click.UNPROCESSED]
    names = [(each.metavar or str(each.name)).rstrip(".").upper() for each in ours]
    sentences = [f"{name} is " for name in names]
    assert [sentence for sentence in sentences if sentence not in (command.help or "")] == []
