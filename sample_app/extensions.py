"""The extensions, made once and bound to each application by its factory."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_crewexec import CrewExec


class Base(DeclarativeBase):
    """What the application's models have in common."""


db = SQLAlchemy(model_class=Base)
crewexec = CrewExec(db=db)
