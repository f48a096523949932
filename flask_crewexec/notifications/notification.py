"""What receivers are told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Mapping

from ..registry.users import load_user
from ..registry.users import U
from ..schemas.notifications import status_told
from ..storage.delivery_claims import Claim


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notification(t.Generic[U]):
    """What happened to an execution, as handlers and signals are told.

    Type checkers know what :attr:`user` is if you say so: ``Notification[User]``.
    """

    id: str
    """The same each time that it is told, and different for each event."""
    type: str
    """Such as ``"execution.completed"``."""
    time: dt.datetime
    """When it happened, by the database's clock."""
    execution_id: str
    status: str
    """Status of the execution after the event; it may have changed since."""
    user_id: str
    """The owner of the execution."""
    thread_id: str | None
    graph_id: str
    data: Mapping[str, t.Any]
    """Fields of the event in the history, such as the name of the step."""

    @property
    def user(self) -> U:
        """Your own user, as your ``user_loader`` returns it for :attr:`user_id`.

        :raises UserMissing: if the loader returns None.
        :raises UserLoaderUnavailable: if the loader fails.
        :raises RuntimeError: if there is no loader.
        """
        return t.cast(U, load_user(self.user_id))

    @classmethod
    def of(cls, claim: Claim) -> t.Self:
        """Return what is told with a delivery."""
        return cls(
            id=f"{claim.key.execution_id}.{claim.key.seq}",
            type=claim.type,
            time=claim.time,
            execution_id=str(claim.key.execution_id),
            status=status_told(claim.type, claim.data),
            user_id=claim.owner_id,
            thread_id=claim.thread_id,
            graph_id=str(claim.graph_id),
            data=claim.data,
        )
