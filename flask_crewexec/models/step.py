"""Table of the steps of executions."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .mixin import Json
from .mixin import Mixin
from .mixin import UtcDateTime
from .usage import UsageColumns


class StepMixin(UsageColumns, Mixin):
    """One task of the crew within one execution."""

    __tablename__ = "crewexec_step"

    execution_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_execution.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Position in the order of execution, from 0."""
    node_id: Mapped[str] = mapped_column(sa.String(100))
    name: Mapped[str] = mapped_column(sa.String(200))
    agent: Mapped[str | None] = mapped_column(sa.String(200))
    status: Mapped[str] = mapped_column(sa.String(16))
    output: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """The task's output, in the form that CrewAI needs to resume after this step."""
    truncated: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether the output ends in the middle, because it had the model's maximum length."""
    generation: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often it was restarted although some of its calls were stored."""
    fingerprint: Mapped[str | None] = mapped_column(sa.String(64))
    """SHA-256 of the models and tools with which it began."""
    origin: Mapped[str | None] = mapped_column(sa.String(8))
    """Where a fork has the output from: a :class:`~.StepOrigin`; None if the step runs here."""
    started_at: Mapped[UtcDateTime | None]
    finished_at: Mapped[UtcDateTime | None]

    @property
    def text(self) -> str | None:
        """The task's answer, as its owner sees it."""
        return None if self.output is None else self.output["raw"]

    @property
    def json(self) -> Json | None:
        """The answer as an object, if the task has an ``output_schema``."""
        return None if self.output is None else self.output.get("json_dict")
