"""The command ``flask crewexec check``: what is wrong with an installation."""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator

import click
from flask.cli import AppGroup

from ..app_state import current_app_state
from ..services.checks.catalogue import CHECKS
from ..services.checks.check import Finding
from ..services.checks.runner import run_checks
from .escaping import one_line

_COLOURS: t.Final = {"ok": "green", "warning": "yellow", "error": "red", "skipped": "bright_black"}
_NAME_WIDTH: t.Final = 18
_INDENT: t.Final = " " * 9

_commands = AppGroup("check")


@_commands.command("check")
@click.option("--strict", is_flag=True, help="Exit with 1 if there are warnings, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.pass_context
def check(context: click.Context, strict: bool, as_json: bool) -> None:
    """Check this installation, and say what to do about each problem.

    Exits with 1 if there are errors, otherwise 0.
    """
    # Web processes load this module, too, and have no use for what belongs to workers.
    from ..worker.crewai_checks import CHECKS as CREWAI_CHECKS

    found = run_checks(current_app_state(), (*CHECKS, *CREWAI_CHECKS))
    numbers = _print_json(found) if as_json else _print_lines(found)
    context.exit(1 if numbers["error"] or (strict and numbers["warning"]) else 0)


def _print_lines(found: Iterable[Finding]) -> Counter[str]:
    """Print each finding as soon as it is known; return how many there are of each status."""
    numbers: Counter[str] = Counter()
    for finding in found:
        numbers[finding.status] += 1
        for line in _lines(finding):
            click.echo(line)
    click.echo(f"\n{_count(numbers['error'], 'error')}, {_count(numbers['warning'], 'warning')}.")
    return numbers


def _print_json(found: Iterable[Finding]) -> Counter[str]:
    findings = list(found)
    click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    return Counter(finding.status for finding in findings)


def _lines(finding: Finding) -> Iterator[str]:
    status = click.style(f"{finding.status:<7}", fg=_COLOURS[finding.status])
    yield f"{status}  {finding.check:<{_NAME_WIDTH}}  {one_line(finding.detail)}"
    if finding.remedy:
        yield f"{_INDENT}{'':<{_NAME_WIDTH}}  {one_line(finding.remedy)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


COMMANDS: t.Final = (check,)
