"""Whom input requests ask: the host's word counts more than the graph's."""

from __future__ import annotations

import copy
import logging
import typing as t
from collections.abc import Sequence

from ..errors import UserMissing
from ..registry.assignment import AssignFunction
from ..registry.assignment import Question
from ..registry.assignment import read_assignees
from ..storage.input_requests import NewRequest
from ..storage.input_requests import ROLE
from ..storage.input_requests import USER
from .host_callbacks import with_run_context
from .run_context import RunContext
from .stop_reasons import AssignmentFailedStop
from .stop_reasons import MissingUserStop

log = logging.getLogger(__name__)

_ONLY_THE_OWNER: t.Final = (
    "Nobody but the owner of the execution would be asked, who must not answer because of"
    " 'four_eyes'. The graph, the tool or the application has to name others."
)


class Assigner:
    """Says whom a request asks, when it arises.

    :param function: that of the host, if there is one.
    """

    def __init__(self, function: AssignFunction | None, run_context: RunContext) -> None:
        self._function = None if function is None else with_run_context(function, run_context)

    def assign(
        self, new: NewRequest, users: Sequence[str], roles: Sequence[str]
    ) -> list[tuple[str, str]]:
        """Return pairs of a kind and a name.

        Where a tool demands roles, the host has already said who is asked.

        :param users: those whom the graph names; the same for *roles*.
        :raises AssignmentFailedStop: if the function fails, or if nobody but the owner would be
            asked, who must not answer. Nobody is asked then.
        """
        if self._function is not None and not new.roles_only:
            users, roles = self._ask_host(self._function, new, users, roles)
        if new.four_eyes and not (roles or {*users} - {new.owner_id}):
            raise AssignmentFailedStop(_ONLY_THE_OWNER)
        return [*((USER, name) for name in users), *((ROLE, name) for name in roles)]

    def _ask_host(
        self,
        function: AssignFunction,
        new: NewRequest,
        users: Sequence[str],
        roles: Sequence[str],
    ) -> tuple[Sequence[str], Sequence[str]]:
        try:
            returned = function(_question(new, users, roles))
            return (users, roles) if returned is None else read_assignees(returned)
        except UserMissing as error:
            raise MissingUserStop(error.detail) from error
        except Exception as error:
            log.exception("The function that says who is asked failed.")
            raise AssignmentFailedStop(
                "The application could not say who is asked; its log has the reason."
            ) from error


def _question(new: NewRequest, users: Sequence[str], roles: Sequence[str]) -> Question:
    return Question(
        kind=new.kind,
        step=new.step_name,
        message=new.message,
        draft=copy.deepcopy(new.draft),
        tool=new.tool,
        arguments=copy.deepcopy(new.arguments),
        four_eyes=new.four_eyes,
        users=tuple(users),
        roles=tuple(roles),
    )
