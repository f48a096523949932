"""``.. commands::`` describes the group ``flask crewexec`` and ``celery … monitor``."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterator

import click
from generated import entry
from generated import GeneratedDirective
from generated import Lines
from generated import literal
from generated import phrase
from generated import table
from sphinx.application import Sphinx

from flask_crewexec.cli.commands import command_group
from flask_crewexec.cli.monitor import monitor

GROUP: t.Final = "flask crewexec"
MONITOR: t.Final = "celery monitor"


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its name, sorted."""
    yield from _below(GROUP, command_group())
    yield MONITOR, monitor


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    for own_name, child in sorted(command.commands.items()):
        yield from _below(f"{name} {own_name}", child)


class CommandsDirective(GeneratedDirective):
    """The argument is the first word of commands."""

    has_content = False
    required_arguments = 1

    def lines(self) -> Lines:
        """Yield a description of each of these commands."""
        for name, command in commands():
            if name.split()[0] == self.arguments[0]:
                yield from entry("command", name, _describe(name, command))


def _describe(name: str, command: click.Command) -> Lines:
    for paragraph in (command.help or "").split("\n\n"):
        yield from (phrase(paragraph), "")
    usage = command.collect_usage_pieces(click.Context(command))
    yield from (".. code-block:: text", "", "    " + " ".join([_as_typed(name), *usage]), "")
    options = (each for each in command.params if isinstance(each, click.Option))
    rows = ([_spelling(each), _value(each), _meaning(each)] for each in options)
    yield from table(("Option", "Value", "Meaning"), rows)


def _as_typed(name: str) -> str:
    program, _, rest = name.partition(" ")
    return f"{program} {'--app' if program == 'flask' else '-A'} APP {rest}"


def _spelling(option: click.Option) -> str:
    return ", ".join(map(literal, itertools.chain(option.opts, option.secondary_opts)))


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    match option.type:
        case click.Choice(choices=choices):
            return "one of " + ", ".join(map(literal, choices))
        case click.IntRange() | click.FloatRange():
            return _name(option.type) + _range(option.type.min, option.type.max)
        case _:
            return _name(option.type)


def _name(kind: click.ParamType[t.Any]) -> str:
    return kind.name.removesuffix(" range").replace("float", "number")


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f", {low:g} or more"
    return f", {high:,.10g} or less" if low is None else f" from {low:g} to {high:,.10g}"


def _meaning(option: click.Option) -> str:
    default = option.default if option.show_default else None
    sentences = (
        "Required." if option.required else "",
        phrase(option.help or ""),
        "May be repeated." if option.multiple else "",
        f"Default: {literal(default)}." if default is not None else "",
    )
    return " ".join(sentence for sentence in sentences if sentence)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and the kind of objects that it describes."""
    app.add_object_type("command", "command", "pair: %s; command")
    app.add_directive("commands", CommandsDirective)
    return {"parallel_read_safe": True}
