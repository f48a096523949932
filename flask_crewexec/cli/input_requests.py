"""The commands ``flask crewexec inbox``, ``answer``, ``answer-all`` and ``link``."""

from __future__ import annotations

import itertools
import json
import typing as t

import click
from flask.cli import AppGroup

from ..app_state import current_app_state
from ..errors import NotAsked
from ..graphs.assignees import MAX_SECONDS
from ..identity import Identity
from ..schemas import MAX_PAGE
from ..services.async_execution_service import AsyncExecutionService
from ..services.input_links import DEFAULT_SECONDS
from ..services.input_requests import read_all
from ..statuses import Decision
from ..statuses import InputKind
from ..statuses import InputStatus
from .error_messages import OneLineCommand
from .escaping import one_line
from .formatting import input_request_lines

_service: t.Final = AsyncExecutionService()
_commands = AppGroup("input-requests")

_WITH_TEXT: t.Final = (Decision.CHANGE, Decision.EDIT, Decision.RESPOND)
_NO_LINK: t.Final = (
    "'{}' may not answer this request, so there is no link. Name one of those whom it asks, with"
    " '--role' if it asks a role."
)

_by: t.Final = click.option("--by", help="Who answers, as the request will show it.")


@_commands.command("inbox", cls=OneLineCommand)
@click.option(
    "--status",
    type=click.Choice([*map(str, InputStatus)]),
    default=InputStatus.OPEN.value,
    show_default=True,
    help="Only those with this status.",
)
@click.option("--execution", "execution_id", type=click.UUID, help="Only those of this execution.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_PAGE),
    default=20,
    show_default=True,
    help="Maximum number of input requests.",
)
@click.option(
    "--expires-within",
    type=click.FloatRange(0, MAX_SECONDS),
    metavar="SECONDS",
    help="Only those that expire within so many seconds, or have.",
)
@click.option("--before", type=click.UUID, metavar="ID", help="Only those that are older.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def inbox(limit: int, as_json: bool, **filters: t.Any) -> None:
    """List what executions ask people, newest first."""
    wanted = read_all(current_app_state(), None, **filters)
    found = [*itertools.islice(wanted, limit)]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo("\n".join(input_request_lines(found)))
    if next(wanted, None) is not None:
        click.echo(f"There are older ones: --before {found[-1]['id']}")


@_commands.command("answer", cls=OneLineCommand)
@click.argument("id")
@click.argument("decision", type=click.Choice([*map(str, Decision)]))
@click.option(
    "--text",
    help="What to change, the answer itself for 'edit' and 'respond', or why, for 'reject'. Edited"
    " arguments, and answers of tasks with a schema, are written as JSON.",
)
@_by
@click.option("--bypass", is_flag=True, help="Answer although four eyes are needed.")
def answer(id: str, decision: str, text: str | None, by: str | None, bypass: bool) -> None:
    """Answer an input request; its execution goes on once nothing else is open.

    ID is the id of the input request. DECISION is one of those that it allows.
    """
    content = _content(decision, text, id)
    answered = _service.answer(id, decision, by=by, bypass=bypass, **content)
    click.echo("The answer is stored." if answered.is_new else "It was answered so before.")


@_commands.command("answer-all", cls=OneLineCommand)
@click.argument("execution_id")
@click.argument("file", type=click.File(), default="-")
@_by
def answer_all(execution_id: str, file: t.IO[str], by: str | None) -> None:
    """Answer several input requests of one execution: all, or none.

    EXECUTION_ID is the id of the execution. FILE is JSON, by default what the command reads from
    its standard input: an object with a list of "answers". Each has the "id" of an input request
    and its "decision", and "text", "value", "arguments" or "bypass" where they are needed.
    """
    answered = _service.answer_all(execution_id, _read_answers(file), by=by)
    new = sum(each.is_new for each in answered)
    click.echo(f"Answers stored: {new}. Answered so before: {len(answered) - new}.")


def _read_answers(file: t.IO[str]) -> list[dict[str, t.Any]]:
    read = _parse(file)
    value = read.get("answers") if isinstance(read, dict) else None
    if not isinstance(value, list):
        raise click.BadParameter('Write JSON: {"answers": [{"id": "…", "decision": "…"}, …]}.')
    return value


def _parse(source: str | t.IO[str]) -> object:
    try:
        return t.cast(object, json.loads(source if isinstance(source, str) else source.read()))
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"This is not valid JSON: {error}.") from error


def _content(decision: str, text: str | None, id: str) -> dict[str, t.Any]:
    """Return what is written; JSON where the request demands an object."""
    if text is None and decision in _WITH_TEXT:
        raise click.UsageError(f"Say it with '--text': '{decision}' needs words.")
    if decision != Decision.EDIT or text is None:
        return {"text": text}
    asked = _service.get_input_request(id)
    if asked["schema"] is None:
        return {"text": text}
    field = "arguments" if asked["kind"] == InputKind.APPROVAL else "value"
    return {field: _as_object(text)}


def _as_object(text: str) -> dict[str, t.Any]:
    value = _parse(text)
    if not isinstance(value, dict):
        raise click.BadParameter("The request demands an object; write it as JSON.")
    return value


@_commands.command("link", cls=OneLineCommand)
@click.argument("id")
@click.option("--for", "user", required=True, metavar="USER", help="Who is to answer.")
@click.option("--role", "roles", multiple=True, help="A role of theirs that the request asks.")
@click.option(
    "--expires-in",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_SECONDS,
    show_default=True,
    help="Seconds until the link expires.",
)
def link(id: str, user: str, roles: tuple[str, ...], expires_in: float) -> None:
    """Print a signed link with which one person answers an input request.

    ID is the id of the input request. Anyone who has the link can answer as that person, once,
    without signing in.
    """
    try:
        click.echo(_service.input_link(id, Identity(user, roles=roles), expires_in=expires_in))
    except NotAsked as error:
        raise click.ClickException(_NO_LINK.format(one_line(user))) from error


COMMANDS: t.Final = (inbox, answer, answer_all, link)
