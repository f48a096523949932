"""Tables of what executions ask people, and of whom they ask."""

from __future__ import annotations

import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7

from .call import MAX_PATH
from .mixin import IndexSpec
from .mixin import Json
from .mixin import Mixin
from .mixin import UserId
from .mixin import UtcDateTime


class InputRequestMixin(Mixin):
    """One question of one execution to people. It is answered once."""

    __tablename__ = "crewexec_input_request"
    __indexes__: t.ClassVar = {
        "ux_crewexec_input_request_round": IndexSpec(
            ("execution_id", "step", "generation", "kind", "call", "round"), unique=True
        ),
        "ix_crewexec_input_request_owner": IndexSpec(("owner_id", "id")),
        "ix_crewexec_input_request_open": IndexSpec(("owner_id", "id"), "status = 'open'"),
        "ix_crewexec_input_request_expiry": IndexSpec(
            ("expires_at",), "status = 'open' AND expires_at IS NOT NULL"
        ),
    }

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    execution_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_execution.id", ondelete="CASCADE")
    )
    owner_id: Mapped[UserId]
    """Owner of the execution."""
    kind: Mapped[str] = mapped_column(sa.String(10))
    """One of :class:`~flask_crewexec.statuses.InputKind`."""
    step: Mapped[int]
    """Position of the step."""
    step_name: Mapped[str] = mapped_column(sa.String(200))
    generation: Mapped[int]
    """How often the step had been restarted."""
    round: Mapped[int]
    """From 1 in each generation, for each call."""
    call: Mapped[str] = mapped_column(sa.String(MAX_PATH), default="", server_default="")
    """Path of the tool call within its step, as in the call log; empty for a review."""
    message: Mapped[str | None] = mapped_column(sa.Text)
    """What the graph tells those who are asked, or the question."""
    problem: Mapped[str | None] = mapped_column(sa.Text)
    """Why it is asked: an edited answer was refused, or a tool call was interrupted."""
    draft: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """``{"text", "value"?}``: what is reviewed."""
    tool: Mapped[str | None] = mapped_column(sa.String(200))
    """Name of the tool whose call waits."""
    arguments: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """Its validated arguments, as they are shown."""
    digest: Mapped[str | None] = mapped_column(sa.String(64))
    """SHA-256 of the arguments with which the tool would be called, in hexadecimal."""
    schema: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """JSON Schema that what somebody writes must match."""
    decisions: Mapped[list[str]] = mapped_column(sa.JSON)
    """Which decisions are allowed."""
    is_assigned: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether others than the owner of the execution are asked."""
    roles_only: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether only users with the roles of its assignees are asked, since a tool demands it."""
    four_eyes: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether neither the owner nor the person who edited what is asked about may answer."""
    edited_by: Mapped[UserId | None]
    """Who has written the draft or the arguments, in the round before."""
    expires_at: Mapped[UtcDateTime | None]
    """Until when it can be answered, by the database's clock."""
    on_expiry: Mapped[str] = mapped_column(sa.String(10))
    """What happens then: ``fail``, ``approve``, ``reject`` or ``default``."""
    default: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """The answer that is used then, for ``default``."""
    status: Mapped[str] = mapped_column(sa.String(10))
    """``open``, ``answered``, ``expired`` or ``withdrawn``."""
    decision: Mapped[str | None] = mapped_column(sa.String(10))
    answer: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
    """``{"text"}`` or ``{"value"}``, if the decision needs one."""
    answered_by: Mapped[UserId | None]
    link_issued_by: Mapped[UserId | None]
    """Who has issued the signed link with which it was answered; null if the application did."""
    bypassed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether that was a manager who was not asked."""
    created_at: Mapped[UtcDateTime]
    answered_at: Mapped[UtcDateTime | None]
    """When it was answered, expired or was withdrawn."""


class InputAssigneeMixin(Mixin):
    """A user or a role that is asked instead of the owner of the execution.

    Also a user with such a role for whom a signed link was issued.
    """

    __tablename__ = "crewexec_input_assignee"
    __indexes__: t.ClassVar = {
        "ix_crewexec_input_assignee_name": IndexSpec(("name", "kind", "request_id")),
    }

    request_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("crewexec_input_request.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(sa.String(4), primary_key=True)
    """``user``, ``role`` or ``link``."""
    name: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
