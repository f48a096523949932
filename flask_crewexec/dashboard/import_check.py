"""The check of what people want to import: the crew, what is left out, and what is wrong."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InvalidGraph
from ..errors import InvalidRequest
from ..errors import Note
from ..errors import Problem
from ..graphs import parse
from ..graphs.importers import Imported
from ..graphs.importers import summarize
from ..identity import Identity
from ..services.graph_service import GraphService
from .graph_view import CrewView
from .import_form import DOCUMENT
from .import_form import ImportForm

Json = dict[str, t.Any]

SEVERITIES: t.Final = {
    "unguarded": "A check is missing",
    "changed": "The crew behaves differently",
    "info": "Nothing changes",
}
"""What notes mean, those that matter most first."""

_graphs: t.Final = GraphService()


@dataclass(frozen=True, kw_only=True)
class ImportCheck:
    """What a check has found."""

    document: Json | None = None
    """None if there are problems."""
    crew: CrewView | None = None
    summary: str = ""
    inputs: Sequence[str] = ()
    """Names of the inputs, in the order of the author."""
    model_calls: Json | None = None
    """``lower`` and ``upper`` bound of the model calls of an attempt."""
    notes: Sequence[Note] = ()
    problems: Sequence[Problem] = ()

    @property
    def sorted_notes(self) -> list[Note]:
        """The notes, those that matter most first."""
        return sorted(self.notes, key=lambda note: [*SEVERITIES].index(note.severity))

    @property
    def is_unguarded(self) -> bool:
        """Whether checks would be missing that the author wanted."""
        return any(note.severity == "unguarded" for note in self.notes)


def check_import(form: ImportForm, requester: Identity) -> ImportCheck:
    """Return what an import would store, with its notes, or its problems; store nothing."""
    try:
        imported = _import(form, requester)
    except (InvalidGraph, InvalidRequest) as error:
        return ImportCheck(problems=error.problems, notes=error.notes)
    report = _graphs.report(imported.document, roles=requester.roles)
    if not report["valid"]:
        return ImportCheck(problems=[Problem(**each) for each in report["problems"]])
    return ImportCheck(
        document=imported.document,
        crew=CrewView.of(parse(imported.document)),
        summary=summarize(imported),
        inputs=report["inputs"],
        model_calls=report["model_calls"],
        notes=imported.notes,
    )


def _import(form: ImportForm, requester: Identity) -> Imported:
    """Return the document, which is not yet checked if it is one of ours."""
    if form.format == DOCUMENT:
        return Imported(_read_document(form), ())
    # Nothing is stored here, and notes say what is missing.
    return _graphs.import_files(**form.body(), accept="unguarded", roles=requester.roles)


def _read_document(form: ImportForm) -> Json:
    if len(form.files) != 1:
        raise _invalid("Paste the document, or choose one file with it.")
    (text,) = form.files.values()
    try:
        return t.cast(Json, json.loads(text))
    except (ValueError, RecursionError) as error:
        raise _invalid(f"This is not JSON: {error}.") from error


def _invalid(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, [Problem("", "invalid-json", detail)])
