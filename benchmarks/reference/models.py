"""The tables."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

Moment = t.Annotated[dt.datetime, mapped_column(sa.DateTime(timezone=True))]


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Graph(Base):
    __tablename__ = "graph"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    owner_id: Mapped[str] = mapped_column(sa.String(255))
    definition: Mapped[dict[str, t.Any]] = mapped_column(sa.JSON)


class Execution(Base):
    __tablename__ = "execution"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    graph_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("graph.id"))
    thread_id: Mapped[uuid.UUID | None]
    user_id: Mapped[str] = mapped_column(sa.String(255), index=True)
    status: Mapped[str] = mapped_column(sa.String(20), default="queued", index=True)
    priority: Mapped[int] = mapped_column(default=5)
    inputs: Mapped[dict[str, t.Any]] = mapped_column(sa.JSON)
    result: Mapped[dict[str, t.Any] | None] = mapped_column(sa.JSON)
    error: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[Moment] = mapped_column(default=now, index=True)
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
