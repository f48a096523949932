"""The application's own tables."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .extensions import db

MAX_TITLE = 200


class User(db.Model):  # type: ignore[name-defined, misc]  # created at run time
    """A user, who signs in with an API token."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    is_admin: Mapped[bool] = mapped_column(default=False)


class Note(db.Model):  # type: ignore[name-defined, misc]
    """A note of one user."""

    __table_args__ = (sa.UniqueConstraint("user_id", "execution_id", "title"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user.id"), index=True)
    title: Mapped[str] = mapped_column(sa.String(MAX_TITLE))
    text: Mapped[str] = mapped_column(sa.Text)
    execution_id: Mapped[uuid.UUID | None]
    """Execution whose agent wrote the note; None if the user wrote it."""
