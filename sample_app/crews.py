"""Pages to sign in and to queue crews; the dashboard shows what becomes of them."""

from __future__ import annotations

import typing as t

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
from flask_crewexec import Identity

from .identity import current_user
from .identity import owner_of
from .models import User

crews = Blueprint("crews", __name__)


class Form(t.NamedTuple):
    """What a user fills in to queue a graph."""

    graph_id: str
    name: str
    inputs: tuple[str, ...]


@crews.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """Ask for an API token, and remember whose it is in the session."""
    if request.method == "GET":
        return render_template("sign_in.html", problem=None)
    user = owner_of(request.form.get("token", "").strip())
    if user is None:
        return render_template("sign_in.html", problem="Nobody has this token."), 401
    session.clear()
    session["user_id"] = user.id
    return redirect(url_for(".list_crews"), 303)


@crews.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Forget who has signed in."""
    session.clear()
    return redirect(url_for(".sign_in"), 303)


@crews.get("/crews")
def list_crews() -> ResponseReturnValue:
    """List the user's graphs with a form to queue each."""
    user = current_user()
    return redirect(url_for(".sign_in")) if user is None else _page(user)


@crews.post("/crews/<graph_id>")
def queue_crew(graph_id: str) -> ResponseReturnValue:
    """Queue a graph with the inputs of the form, and lead to the execution's page."""
    user = current_user()
    if user is None:
        return redirect(url_for(".sign_in"), 303)
    inputs = request.form.to_dict()
    try:
        id = AsyncExecutionService().queue_execution(graph_id, None, user.id, inputs)
    except CrewExecError as error:
        return _page(user, error.detail), error.status
    return redirect(url_for("crewexec_monitor.show_execution", execution_id=id), 303)


def _page(user: User, problem: str | None = None) -> str:
    owner = Identity(str(user.id))
    forms = [_form(str(graph.id), owner) for graph in GraphService().list(owner)]
    return render_template("crews.html", user=user, forms=forms, problem=problem)


def _form(graph_id: str, owner: Identity) -> Form:
    service = GraphService()
    stored = service.get(graph_id, owner)
    parsed = service.validate(stored.version.document)
    return Form(graph_id, stored.graph.name, parsed.inputs)
