"""What the service offers to change several executions at once."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

from ..app_state import current_app_state
from ..schemas import OutcomeSchema
from ..storage.execution_queries import Id
from ..storage.ownership import Requester
from ..storage.transitions import Cancellation
from . import several

Json = dict[str, t.Any]

_OUTCOMES: t.Final = OutcomeSchema(many=True)


class SeveralMethods:
    """The methods of :class:`~flask_crewexec.AsyncExecutionService` about several executions.

    Each execution is changed in a transaction of its own, in the order of the ids. What becomes of
    one leaves the others alone, so these methods return errors instead of raising them.
    """

    def cancel_several(
        self,
        task_ids: Iterable[Id],
        requester: Requester = None,
        *,
        by: str | None = None,
        reason: str | None = None,
        seconds: float | None = None,
    ) -> list[Json]:
        """Cancel executions, each as :meth:`cancel_task` does.

        :param by: who cancels, as the executions will show it.
        :param seconds: after which no further one is tried; without end by default.
        :return: for each id, once: ``id``; its ``status`` afterwards, which is still ``running``
            until its worker stops, and None if there is none; ``error`` with ``code`` and
            ``detail`` if nothing was done, otherwise None; and ``retry_after``.
        :raises InvalidRequest: if *by* or *reason* cannot be stored.
        """
        cancellation = Cancellation(by, reason)
        app_state = current_app_state()
        outcomes = several.cancel_each(app_state, task_ids, requester, cancellation, seconds)
        return t.cast("list[Json]", _OUTCOMES.dump(outcomes))

    def retry_several(
        self,
        task_ids: Iterable[Id],
        requester: Requester = None,
        *,
        seconds: float | None = None,
        **limits: float | None,
    ) -> list[Json]:
        """Queue another attempt of executions, each as :meth:`retry` does.

        :param seconds: after which no further one is tried; without end by default.
        :param limits: new values of each, as for :meth:`retry`.
        :return: as of :meth:`cancel_several`; ``retry_after`` has the seconds after which one may
            be retried whose owner may not queue more at the moment.
        :raises InvalidRequest: if a limit is above the settings'.
        """
        app_state = current_app_state()
        outcomes = several.retry_each(app_state, task_ids, requester, limits, seconds)
        return t.cast("list[Json]", _OUTCOMES.dump(outcomes))
