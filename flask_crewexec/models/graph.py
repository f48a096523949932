"""Tables of graphs and of their versions."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7

from .. import clock
from .mixin import IndexSpec
from .mixin import Json
from .mixin import Mixin
from .mixin import UserId
from .mixin import UtcDateTime


class GraphMixin(Mixin):
    """A user's crew. Its documents are in the versions."""

    __tablename__ = "crewexec_graph"
    __indexes__: t.ClassVar = {
        "ix_crewexec_graph_owner": IndexSpec(("owner_id", "id")),
        "ix_crewexec_graph_archived": IndexSpec(("owner_id", "id"), "deleted_at IS NOT NULL"),
    }

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    owner_id: Mapped[UserId]
    name: Mapped[str] = mapped_column(sa.String(200))
    latest_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    updated_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
    deleted_at: Mapped[UtcDateTime | None]


class GraphVersionMixin(Mixin):
    """One immutable document of a graph."""

    __tablename__ = "crewexec_graph_version"

    graph_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_graph.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[Json] = mapped_column(sa.JSON)
    digest: Mapped[str] = mapped_column(sa.String(64))
    author_id: Mapped[UserId]
    created_at: Mapped[UtcDateTime] = mapped_column(default=clock.now)
