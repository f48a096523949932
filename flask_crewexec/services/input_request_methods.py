"""What the service offers about input requests."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Mapping
from collections.abc import Sequence

from ..app_state import current_app_state
from ..identity import IdentityLike
from ..storage.execution_queries import Id
from ..storage.ownership import Requester
from . import input_answers
from . import input_links
from . import input_requests
from .answer_rights import Answerer
from .input_answers import Answered

Json = dict[str, t.Any]


class InputRequestMethods:
    """The methods of :class:`~flask_crewexec.AsyncExecutionService` about what people are asked."""

    def input_requests(
        self,
        requester: Requester = None,
        *,
        status: str | None = None,
        execution_id: Id | None = None,
        assigned: str | None = None,
        expires_within: float | None = None,
        before: uuid.UUID | None = None,
        limit: int = 50,
    ) -> list[Json]:
        """Return what executions ask people, newest first.

        There are fewer than *limit*, but at least one, where they would contain more than
        ``CREWEXEC_MAX_STATUS_CHARS`` characters: go on with *before* until none is returned.

        :param status: only requests with this status: ``"open"`` for instance.
        :param execution_id: only those of this execution.
        :param assigned: ``"me"`` for those that *requester* is asked, and may answer.
        :param expires_within: only those that expire within so many seconds, or have.
        :param before: only those that are older than this one.
        :param limit: maximum number of requests.
        :raises InvalidRequest: if a value is not valid.
        """
        filters = {"status": status, "execution_id": execution_id, "assigned": assigned}
        page = {"before": before, "limit": limit, "expires_within": expires_within, **filters}
        return input_requests.read_page(current_app_state(), requester, page).requests

    def get_input_request(self, request_id: Id, requester: Requester = None) -> Json:
        """Return one input request.

        :raises NotFound: if there is none, or not for *requester*.
        """
        return input_requests.read_request(current_app_state(), request_id, requester)

    def answer(
        self,
        request_id: Id,
        decision: str,
        requester: Requester = None,
        *,
        text: str | None = None,
        value: Mapping[str, t.Any] | str | None = None,
        arguments: Mapping[str, t.Any] | None = None,
        by: str | None = None,
        bypass: bool = False,
    ) -> Answered:
        """Answer an input request. The execution goes on once nothing else is open.

        :param decision: ``"approve"``; ``"change"`` with a *text* that says what; ``"edit"`` with
            the answer itself, a *value* where the request has a schema, else a *text*, or with
            the *arguments* of a tool call; ``"respond"`` with the answer to a question, as *text*,
            or one of its choices as *value*, or with the result of a tool call that is not made; or
            ``"reject"``.
        :param by: who answers, as the request will show it; by default *requester*. Needed without
            *requester* if the request has ``four_eyes``.
        :param bypass: whether a manager, or your own code, answers although somebody else has to;
            the request shows that.
        :return: the request, and whether this is its first answer: False if the same was answered
            before.
        :raises NotFound: if there is none, or not for *requester*.
        :raises NotAsked: if it asks others.
        :raises FourEyes: if it needs another person than this one.
        :raises InvalidRequest: if the answer does not fit the request.
        :raises InputAnswered: if it was answered otherwise before.
        :raises InputGone: if it has expired, or is not asked any more.
        """
        content = {"text": text, "value": value, "arguments": arguments}
        given = {name: each for name, each in content.items() if each is not None}
        answer = {"decision": decision, "bypass": bypass, **given}
        who = Answerer(requester, by)
        return input_answers.answer(current_app_state(), request_id, who, answer)

    def answer_all(
        self,
        task_id: Id,
        answers: Sequence[Mapping[str, t.Any]],
        requester: Requester = None,
        *,
        by: str | None = None,
    ) -> list[Answered]:
        """Answer several input requests of one execution: all, or none.

        :param answers: a dict for each, with the ``id`` of the request, the ``decision``, and the
            other arguments of :meth:`answer`.
        :raises CrewExecError: what :meth:`answer` raises; its ``problems`` point to the answers.
        """
        who = Answerer(requester, by)
        return input_answers.answer_all(current_app_state(), task_id, who, answers)

    def input_link(
        self,
        request_id: Id,
        user: IdentityLike,
        *,
        expires_in: float = input_links.DEFAULT_SECONDS,
        issued_by: str | None = None,
    ) -> str:
        """Return a signed link, with which *user* can answer a request without signing in.

        It leads to a page of the dashboard, and is a path unless the application sets
        ``SERVER_NAME``. Send it only to that person: anyone who has it can answer as them, until
        the request is decided or the link expires. If the request has ``four_eyes``, they must
        sign in nevertheless.

        :param user: one of those whom the request asks: an id, or an identity with the role that
            it asks.
        :param expires_in: seconds, by default a week.
        :param issued_by: the user on whose behalf the link is issued, if there is one; the request
            will show that.
        :raises ConfigError: if the application has no dashboard or no ``SECRET_KEY``.
        :raises NotFound: if there is no such request.
        :raises NotAsked: if it asks others than *user*.
        :raises FourEyes: if it needs another person than *user*.
        :raises InvalidRequest: if *expires_in* is not greater than zero and finite.
        :raises InputAnswered: if it was answered before.
        :raises InputGone: if it has expired, or is not asked any more.
        """
        return input_links.make_link(
            current_app_state(), request_id, user, issued_by=issued_by, expires_in=expires_in
        )
