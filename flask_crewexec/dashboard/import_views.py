"""The page that checks and imports graphs: first a check, then what was checked is stored."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue

from ..app_state import current_app_state
from ..errors import CrewExecError
from ..errors import ImportNotAccepted
from ..errors import InvalidRequest
from ..identity import Identity
from ..services.graph_service import GraphService
from ..web.authentication import current_identity
from .answer_forms import read_entered
from .import_check import check_import
from .import_check import ImportCheck
from .import_check import SEVERITIES
from .import_form import FORMATS
from .import_form import ImportForm
from .import_form import read_import
from .templating import render

_INVALID: t.Final = 422
_graphs: t.Final = GraphService()


def show_import() -> str:
    """Show the form."""
    return _render(ImportForm())


def import_graph() -> ResponseReturnValue:
    """Check a graph; or store what was checked, and redirect to its page."""
    requester, entered = current_identity(), read_entered(request.form)
    max_bytes = current_app_state().settings.max_body_bytes
    try:
        form = read_import(entered, request.files.getlist("files"), max_bytes)
    except InvalidRequest as error:
        return _render(ImportForm(), ImportCheck(problems=error.problems)), _INVALID
    check = check_import(form, requester)
    if check.document is None:
        return _render(form, check), _INVALID
    if entered.get("checked") != form.digest:
        return _render(form, check)
    try:
        return _store(form, check, requester)
    except CrewExecError as error:
        return _render(form, check, error), error.status


def _store(form: ImportForm, check: ImportCheck, requester: Identity) -> ResponseReturnValue:
    """Store the graph, and redirect to its page.

    :raises ImportNotAccepted: if checks would be missing, and the user has not accepted that.
    """
    if check.is_unguarded and not form.accepts:
        raise ImportNotAccepted(
            "Checks that the author wanted would be missing. Replace them as the notes say, or"
            " accept that."
        )
    document = check.document or {}
    stored = _graphs.create(document, requester.user_id, roles=requester.roles)
    return redirect(url_for(".show_graph", graph_id=stored.graph.id), 303)


def _render(
    form: ImportForm, check: ImportCheck | None = None, error: CrewExecError | None = None
) -> str:
    return render(
        "graph_import.html",
        current_identity(),
        form=form,
        check=check,
        error=error,
        formats=FORMATS,
        severities=SEVERITIES,
    )


def add_routes(blueprint: Blueprint) -> None:
    """Add the page to *blueprint*."""
    blueprint.get("/graphs/import")(show_import)
    blueprint.post("/graphs/import")(import_graph)
