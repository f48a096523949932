"""The commands ``flask crewexec graphs list``, ``import`` and ``export``."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

import click
import sqlalchemy as sa
from flask.cli import AppGroup

from ..errors import CrewExecError
from ..errors import Note
from ..graphs.exporters import export_crewai
from ..graphs.importers import FORMATS
from ..graphs.importers import summarize
from ..identity import Identity
from ..schemas import load
from ..schemas import MAX_PAGE
from ..schemas import OwnerSchema
from ..services.graph_service import GraphService
from .error_messages import database_message
from .escaping import one_line
from .lists import graph_lines
from .project_files import read_project

_service: t.Final = GraphService()


class _Command(click.Command):
    """A command that prints every problem on a line of its own if it fails."""

    def invoke(self, ctx: click.Context) -> t.Any:
        try:
            return super().invoke(ctx)
        except CrewExecError as error:
            _print_notes(error.notes)
            raise click.ClickException("\n".join(_lines(error))) from error
        except sa.exc.SQLAlchemyError as error:
            raise click.ClickException(database_message(error)) from error


def _lines(error: CrewExecError) -> Iterator[str]:
    yield one_line(error.detail)
    if len(error.problems) > 1:
        yield from (f"{one_line(p.pointer)}: {one_line(p.detail)}" for p in error.problems)
    elif error.problems:
        yield f"At {one_line(error.problems[0].pointer)}."


def _mapped(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Parse options of the form ``FOREIGN=REGISTERED``."""
    parts = [value.rpartition("=") for value in values]
    if not all(foreign and registered for foreign, _, registered in parts):
        raise click.BadParameter("Use the form NAME-IN-THE-FILES=REGISTERED-NAME.")
    return {foreign: registered for foreign, _, registered in parts}


graphs = AppGroup("graphs", help="List, import and export graphs.")


@graphs.command("list", cls=_Command)
@click.option("--user", help="Only those of the user with this id.")
@click.option("--archived", is_flag=True, help="Archived graphs instead of the others.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_PAGE),
    default=20,
    show_default=True,
    help="Maximum number of graphs.",
)
def list_(user: str | None, archived: bool, limit: int) -> None:
    """List graphs, newest first."""
    requester = None
    if user is not None:
        requester = Identity(load(OwnerSchema(), {"user_id": user})["user_id"])
    click.echo("\n".join(graph_lines(_service.list(requester, archived=archived, limit=limit))))


@graphs.command("import", cls=_Command)
@click.argument(
    "paths",
    metavar="PATHS...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="What wrote the files.",
)
@click.option("--user", required=True, help="User id of the graph's owner.")
@click.option("--name", help="Name of the graph, if the files have none.")
@click.option(
    "--process",
    type=click.Choice(["sequential", "hierarchical"]),
    help="Process of the crew, for classic YAML.",
)
@click.option("--order", multiple=True, help="A task of classic YAML; repeat it, in order.")
@click.option("--manager-agent", help="Manager agent, for classic YAML.")
@click.option("--manager-llm", help="Model of the manager, for classic YAML.")
@click.option(
    "--tool",
    "tools",
    multiple=True,
    callback=_mapped,
    help="Registered name of a tool: NAME-IN-THE-FILES=REGISTERED-NAME.",
)
@click.option("--model", "models", multiple=True, callback=_mapped, help="The same for a model.")
@click.option(
    "--guardrail", "guardrails", multiple=True, callback=_mapped, help="The same for a guardrail."
)
@click.option(
    "--predicate", "predicates", multiple=True, callback=_mapped, help="The same for a condition."
)
@click.option("--crew", help="Name of the crew, if the files have several.")
@click.option("--task", "tasks", multiple=True, help="A task of the crew; repeat it.")
@click.option(
    "--accept",
    type=click.Choice(["unguarded"]),
    help="Import the crew although checks are missing, which notes name.",
)
@click.option("--strict", is_flag=True, help="Refuse a crew that would behave differently.")
@click.option("--dry-run", is_flag=True, help="Print the graph without storing it.")
def import_(
    paths: tuple[Path, ...], format: str, user: str, dry_run: bool, **options: t.Any
) -> None:
    """Store the graph that the files at PATHS describe.

    PATHS is the folder of a project, one of its files, or each file to read. What a graph cannot
    express is listed on stderr.
    """
    if dry_run:
        options["accept"] = "unguarded"
    imported = _service.import_files(format, read_project(paths, format), **options)
    _print_notes(imported.notes)
    click.echo(f"{summarize(imported)}.", err=True)
    if dry_run:
        click.echo(json.dumps(imported.document, indent=2))
        return
    stored = _service.create(imported.document, user)
    click.echo(f"Stored as graph {stored.graph.id}.")


@graphs.command("export", cls=_Command)
@click.argument("graph_id")
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the project; it is created if it does not exist.",
)
@click.option("--version", type=int, help="Version to export, by default the newest.")
def export(graph_id: str, folder: Path, version: int | None) -> None:
    """Write a graph as the files of a CrewAI project; existing files are not overwritten.

    GRAPH_ID is the id of the graph.
    """
    stored = _service.get(graph_id, version=version)
    exported = export_crewai(stored.version.document)
    _write(folder, dict(exported.files))
    _print_notes(exported.notes)


def _write(folder: Path, files: dict[str, str]) -> None:
    existing = [name for name in files if (folder / name).exists()]
    if existing:
        raise click.ClickException(f"The file '{folder / existing[0]}' exists already.")
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
            click.echo(folder / name)
    except OSError as error:
        raise click.ClickException(f"The files cannot be written: {error}.") from error


def _print_notes(notes: Iterable[Note]) -> None:
    for note in notes:
        place = one_line(f"{note.file}{note.pointer}")
        click.echo(f"{note.severity}: {place}: {one_line(note.detail)}", err=True)
