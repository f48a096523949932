"""Pages to sign in and to queue crews; the dashboard shows the executions."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from flask import Blueprint
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from flask import url_for
from flask.typing import ResponseReturnValue

from flask_crewexec import AsyncExecutionService
from flask_crewexec import CrewExecError
from flask_crewexec import GraphService

from .forms import Field
from .forms import fields_of
from .forms import NO_INPUTS
from .forms import read_inputs
from .identity import current_user
from .identity import owner_of
from .models import User
from .security import add_headers

crews = Blueprint("crews", __name__)
crews.after_request(add_headers)

Json = dict[str, t.Any]


class Form(t.NamedTuple):
    """The form to queue a graph."""

    graph_id: str
    name: str
    description: str
    fields: list[Field]
    problems: list[Json]
    """Why the graph can no longer run, for instance because a tool was removed."""


@crews.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """Ask for an API token, and store its user in the session."""
    token = request.form.get("token", _token_of_link())
    if token is None:
        return render_template("sign_in.html", problem=None)
    user = owner_of(token.strip())
    if user is None:
        return render_template("sign_in.html", problem="This token is not valid."), 401
    session.clear()
    session["user_id"] = user.id
    return redirect(_place_after_sign_in(), 303)


def _token_of_link() -> str | None:
    """Return the token of the link that the terminal shows.

    It is ignored if another site leads here: that site would choose who is signed in.
    """
    is_entered = request.headers.get("Sec-Fetch-Site") == "none"
    return request.args.get("token") if is_entered else None


def _place_after_sign_in() -> str:
    """Return the address that the dashboard has asked for, or that of the start page."""
    wanted = request.args.get("next", "")
    # Browsers take '//' and '/\\' for the address of another site.
    is_ours = wanted.startswith("/") and wanted[1:2] not in ("/", "\\")
    return wanted if is_ours else url_for("showcase.show_start")


@crews.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Sign the user out."""
    session.clear()
    return redirect(url_for(".sign_in"), 303)


@crews.get("/crews")
def list_crews() -> ResponseReturnValue:
    """List the user's graphs, each with a form to queue it."""
    user = current_user()
    return redirect(url_for(".sign_in")) if user is None else _page(user)


@crews.post("/crews/<graph_id>")
def queue_crew(graph_id: str) -> ResponseReturnValue:
    """Queue a graph with the inputs of the form, and redirect to the execution's page."""
    user = current_user()
    if user is None:
        return redirect(url_for(".sign_in"), 303)
    try:
        inputs = read_inputs(_read_graph(graph_id, user).schema, request.form)
        id = AsyncExecutionService().for_user(user.id).queue_execution(graph_id, inputs=inputs)
    except CrewExecError as error:
        return _page(user, error, filled_in=graph_id), error.status
    return redirect(url_for("crewexec_dashboard.show_execution", execution_id=id), 303)


def _page(user: User, error: CrewExecError | None = None, filled_in: str | None = None) -> str:
    graphs = (str(graph.id) for graph in GraphService().for_user(user.id).list())
    forms = [_form(id, user, request.form if id == filled_in else {}) for id in graphs]
    return render_template("crews.html", user=user, forms=forms, error=error)


def _form(graph_id: str, user: User, given: Mapping[str, str]) -> Form:
    document, schema, problems = _read_graph(graph_id, user)
    fields = fields_of(schema, given)
    return Form(graph_id, document["name"], document.get("description", ""), fields, problems)


class _GraphForm(t.NamedTuple):
    document: Json
    schema: Json
    problems: list[Json]


def _read_graph(graph_id: str, user: User) -> _GraphForm:
    """Return a graph of the user, the JSON Schema of its inputs, and its problems."""
    service = GraphService().for_user(user.id)
    document = service.get(graph_id).version.document
    report = service.report(document)
    return _GraphForm(document, report["inputs_schema"] or NO_INPUTS, report["problems"])
