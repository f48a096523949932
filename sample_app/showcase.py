"""The start page: crews to start with one click, which leads to the execution."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import abort
from flask import Blueprint
from flask import redirect
from flask import render_template
from flask import url_for
from flask.typing import ResponseReturnValue

from flask_crewexec import AsyncExecutionService
from flask_crewexec import CrewExecError

from . import config
from .extensions import db
from .identity import current_user
from .models import Note
from .models import User
from .security import add_headers
from .seeding import store_graph

showcase = Blueprint("showcase", __name__)
showcase.after_request(add_headers)

MAX_NOTES = 6


class Crew(t.NamedTuple):
    """A crew of the page."""

    graph: str
    """Name of its file."""
    title: str
    sentence: str
    to_see: tuple[str, ...]


CREWS: t.Final = (
    Crew(
        "newsletter",
        "A newsletter that asks first",
        "Four agents read your notes and write a newsletter.",
        (
            "A tool searches the notes below.",
            "Two agents write at the same time, and you see their words as they come.",
            "The editor wants to save a note: the crew waits for you, without a worker.",
            "You approve, and the result appears, as rendered Markdown.",
        ),
    ),
    Crew(
        "market_report",
        "A report that survives an outage",
        "The model of its second step cannot be reached at first, as planned.",
        (
            "The first step is completed and stored.",
            "The second one fails, and the page says why, with a code.",
            f"The retry follows by itself, after {config.retry_seconds():g} seconds.",
            "The crew resumes after the completed step, which is not paid twice.",
        ),
    ),
)


@showcase.get("/")
def show_start() -> ResponseReturnValue:
    """Show the start page."""
    return _page()


@showcase.post("/start/<graph>")
def start_crew(graph: str) -> ResponseReturnValue:
    """Queue a crew of the page, and redirect to the execution in the dashboard."""
    if graph not in {crew.graph for crew in CREWS}:
        abort(404)
    user = current_user()
    if user is None:
        return redirect(url_for("crews.sign_in"), 303)
    try:
        id = AsyncExecutionService().for_user(user.id).queue_execution(store_graph(graph, user.id))
    except CrewExecError as error:
        return _page(error), error.status
    return redirect(url_for("crewexec_dashboard.show_execution", execution_id=id), 303)


def _page(error: CrewExecError | None = None) -> str:
    user = current_user()
    return render_template(
        "start.html",
        user=user,
        crews=CREWS,
        notes=[] if user is None else _newest_notes(user),
        error=error,
        is_scripted=config.is_scripted(),
        model=config.model_name(),
    )


def _newest_notes(user: User) -> list[Note]:
    query = sa.select(Note).filter_by(user_id=user.id).order_by(Note.id.desc()).limit(MAX_NOTES)
    return [*db.session.scalars(query)]
