"""What the service offers about the calls of executions."""

from __future__ import annotations

import typing as t

from ..app_state import current_app_state
from ..storage.execution_queries import Id
from ..storage.ownership import Requester
from .call_pages import read_call
from .call_pages import read_calls
from .recordings import record

Json = dict[str, t.Any]


class CallMethods:
    """The methods of :class:`~flask_crewexec.AsyncExecutionService` about calls."""

    def get_calls(
        self,
        task_id: Id,
        requester: Requester = None,
        *,
        step: int | None = None,
        after: int = 0,
        limit: int = 50,
        content: bool = True,
    ) -> list[Json]:
        """Return the model calls, tool calls and checks of an execution, in order.

        There are fewer than *limit*, but at least one, where they would contain more than
        ``CREWEXEC_MAX_STATUS_CHARS`` characters: go on with *after* until none is returned.

        :param step: only those of the step at this position.
        :param after: only those with a greater number.
        :param content: whether to return what was said.
        :raises NotFound: if there is no such execution, or not for *requester*.
        :raises InvalidRequest: if *step*, *after* or *limit* is out of range.
        """
        page = {"step": step, "after": after, "limit": limit, "content": content}
        page = {name: value for name, value in page.items() if value is not None}
        return read_calls(current_app_state(), task_id, requester, **page)

    def get_call(self, task_id: Id, number: int | str, requester: Requester = None) -> Json:
        """Return one call, with all ``messages`` that a model was asked with.

        Those that are too large together lack the first ones: ``messages_omitted`` says how many,
        and the messages of ``omitted_in_call``, a number, begin with them.

        :raises NotFound: if there is no such call, or not for *requester*.
        """
        return read_call(current_app_state(), task_id, number, requester)

    def record(self, task_id: Id, requester: Requester = None) -> Json:
        """Return a recording of an execution, which tests replay: see :doc:`../howto/testing`.

        It contains the graph, the inputs, all calls as far as they are stored, and what people
        have answered. Secrets are replaced, as they are in the call log.

        :return: JSON; ``incomplete`` says in sentences what is missing, if anything is.
        :raises NotFound: if there is no such execution, or not for *requester*.
        :raises WrongState: if what was said is not stored, or *requester* must not see it.
        """
        return record(current_app_state(), task_id, requester)
