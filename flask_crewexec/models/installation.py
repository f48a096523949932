"""Table of the installation's id."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .mixin import Mixin
from .mixin import UtcDateTime


class InstallationMixin(Mixin):
    """What all processes with this database have in common, and others with the broker have not."""

    __tablename__ = "crewexec_installation"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Always 1: there is one row."""
    id: Mapped[uuid.UUID]
    reconciled_at: Mapped[UtcDateTime | None]
    """When a worker has last done a reconcile round, for which beat has sent a message."""
