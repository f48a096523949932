"""The application's own routes."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import abort
from flask import Blueprint
from flask import current_app
from flask import url_for

from .extensions import db
from .identity import current_user
from .models import Note

pages = Blueprint("pages", __name__)


@pages.get("/")
def index() -> dict[str, str]:
    """List the addresses of the application."""
    api = current_app.config["CREWEXEC_URL_PREFIX"]
    return {
        "notes": "/notes",
        "crews": api,
        "openapi": f"{api}/openapi.json",
        "sign_in": url_for("crews.sign_in"),
        "dashboard": url_for("crewexec_dashboard.list_executions"),
    }


@pages.get("/notes")
def list_notes() -> dict[str, t.Any]:
    """List the notes of the user."""
    user = current_user() or abort(401)
    notes = db.session.scalars(sa.select(Note).filter_by(user_id=user.id).order_by(Note.id))
    return {"notes": [{"title": note.title, "text": note.text} for note in notes]}
