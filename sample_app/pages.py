"""The application's own API."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import abort
from flask import Blueprint

from .extensions import db
from .identity import current_user
from .models import Note

pages = Blueprint("pages", __name__)


@pages.get("/notes")
def list_notes() -> dict[str, t.Any]:
    """List the notes of the user."""
    user = current_user() or abort(401)
    notes = db.session.scalars(sa.select(Note).filter_by(user_id=user.id).order_by(Note.id))
    return {"notes": [{"title": note.title, "text": note.text} for note in notes]}
