"""Tools with which agents search and save the notes of their user."""

from __future__ import annotations

import sqlalchemy as sa

from flask_crewexec import current_execution

from .extensions import crewexec
from .extensions import db
from .models import MAX_TITLE
from .models import Note

MAX_FOUND = 5
NOTHING_FOUND = "No note was found."


@crewexec.tool("search_notes")
def search_notes(query: str) -> str:
    """Find the user's notes that contain at least one of the words of the query."""
    columns = (Note.title, Note.text)
    matches = [
        column.icontains(word, autoescape=True) for word in query.split() for column in columns
    ]
    own = sa.select(Note).where(Note.user_id == _user_id(), sa.or_(sa.false(), *matches))
    found = db.session.scalars(own.order_by(Note.id.desc()).limit(MAX_FOUND))
    return "\n\n".join(f"{note.title}\n{note.text}" for note in found) or NOTHING_FOUND


@crewexec.tool("save_note")
def save_note(title: str, text: str) -> str:
    """Save a note for the user. Saving the same title again replaces the text."""
    # A retried step calls its tools again, so a note that it has saved before is updated.
    key = {
        "user_id": _user_id(),
        "execution_id": current_execution.id,
        "title": title[:MAX_TITLE],
    }
    note = db.session.scalar(sa.select(Note).filter_by(**key)) or Note(**key)
    note.text = text
    db.session.add(note)
    db.session.commit()
    return f"Saved the note '{note.title}'."


def _user_id() -> int:
    return int(current_execution.user_id)
