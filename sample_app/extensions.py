"""The extensions, created once and initialized for each application by its factory."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_crewexec import CrewExec


class Base(DeclarativeBase):
    """Base class of the application's models."""


db = SQLAlchemy(model_class=Base)
crewexec = CrewExec(db=db)
