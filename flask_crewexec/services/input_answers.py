"""Answers to input requests: one, or several of one execution at once."""

from __future__ import annotations

import contextlib
import itertools
import json
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..errors import CrewExecError
from ..errors import InputAnswered
from ..errors import InputGone
from ..errors import InvalidRequest
from ..errors import NotFound
from ..errors import Problem
from ..ids import parse_uuid
from ..models import InputRequestMixin
from ..scheduling.fair_scheduler import release_next
from ..schemas import AnswererSchema
from ..schemas import InputAnswerSchema
from ..schemas import InputAnswersSchema
from ..schemas import load
from ..statuses import InputStatus
from ..storage import input_ends
from ..storage.execution_queries import Id
from ..storage.input_ends import Ended
from ..storage.input_requests import Found
from ..storage.ownership import Requester
from .answer_checks import check_answer
from .answer_rights import Answerer
from .answer_rights import check_rights
from .input_requests import dump_request
from .input_requests import find_request
from .input_requests import sees_request

Json = dict[str, t.Any]

_ANSWER: t.Final = InputAnswerSchema()
_ANSWERER: t.Final = AnswererSchema()
_ANSWERS: t.Final = InputAnswersSchema()
_NO_CONTENT: t.Final = frozenset({"id", "decision", "bypass"})
"""Fields of an answer that are not what is written."""


class Answered(t.NamedTuple):
    """A request that was answered."""

    request: Json
    is_new: bool
    """False if the same user has given the same answer before."""


class _Checked(t.NamedTuple):
    """An answer that may be stored."""

    found: Found
    ended: Ended
    pointer: str
    """To the answer in what was sent."""


def answer(app_state: AppState, id: Id, who: Answerer, given: Json) -> Answered:
    """Answer an input request; its execution goes on once nothing else is open.

    :param given: the fields of the answer.
    :raises NotFound: if there is none, or not for this user.
    :raises NotAsked: if it asks others.
    :raises FourEyes: if it needs another person.
    :raises InvalidRequest: if the answer does not fit the request.
    :raises InputAnswered: if somebody else has answered before, or the same user otherwise.
    :raises InputGone: if it has expired, or is not asked any more.
    """
    load(_ANSWERER, {"by": who.named})
    loaded = load(_ANSWER, given)
    with app_state.database.read_session() as session:
        found = find_request(session, app_state, id, who.requester)
    ended = _check(app_state, found, who, loaded)
    return _store(app_state, who, [_Checked(found, ended, "")])[0]


def answer_all(
    app_state: AppState, execution_id: Id, who: Answerer, answers: Sequence[Mapping[str, object]]
) -> list[Answered]:
    """Answer several input requests of one execution: all, or none.

    :param answers: for each, ``id`` and the fields of the answer.
    :raises CrewExecError: what :func:`answer` raises, with pointers to the answers.
    """
    load(_ANSWERER, {"by": who.named})
    loaded = load(_ANSWERS, {"answers": answers})["answers"]
    with app_state.database.read_session() as session:
        found = _find_all(session, app_state, execution_id, who, loaded)
    return _store(app_state, who, _check_all(app_state, found, who, loaded))


def _find_all(
    session: Session, app_state: AppState, execution_id: Id, who: Answerer, answers: Sequence[Json]
) -> list[Found]:
    """Return the requests in the order of the *answers*.

    Those who are asked do not see the execution, so only its requests say whether there is one.
    """
    key = parse_uuid(execution_id, "execution")
    found = []
    for at, each in enumerate(answers):
        with _pointing_to(f"/answers/{at}/id"):
            request = find_request(session, app_state, each["id"], who.requester)
            if request.request.execution_id != key:
                raise NotFound(f"Execution '{key}' has no input request '{each['id']}'.")
        found.append(request)
    return found


def _check_all(
    app_state: AppState, found: Sequence[Found], who: Answerer, answers: Sequence[Json]
) -> list[_Checked]:
    """Check all answers, and report everything that is wrong with what they say."""
    checked: list[_Checked] = []
    wrong: list[InvalidRequest] = []
    for at, (each, given) in enumerate(zip(found, answers, strict=True)):
        pointer = f"/answers/{at}"
        try:
            with _pointing_to(pointer):
                checked.append(_Checked(each, _check(app_state, each, who, given), pointer))
        except InvalidRequest as error:
            wrong.append(error)
    if wrong:
        problems = itertools.chain.from_iterable(error.problems for error in wrong)
        raise InvalidRequest(wrong[0].detail, problems)
    return checked


def _check(app_state: AppState, found: Found, who: Answerer, given: Json) -> Ended:
    """Return an answer as it is stored, if this user may give it."""
    content = {name: given[name] for name in given.keys() - _NO_CONTENT}
    sees = sees_request(app_state, found, who.requester)
    bypassed = check_rights(found, who, sees=sees, bypass=given["bypass"])
    check_answer(app_state, found.request, given["decision"], content)
    decision, by = given["decision"], who.by
    return Ended(InputStatus.ANSWERED, decision, content or None, by, bypassed, who.issued_by)


def _store(app_state: AppState, who: Answerer, checked: Sequence[_Checked]) -> list[Answered]:
    """Store answers, all or none; the execution goes on if nothing else is open."""
    pairs = [(each.found.request, each.ended) for each in checked]
    with app_state.database.write_transaction() as session:
        are_new = input_ends.end_all(session, app_state, pairs)
        stored = [
            each.found if is_new else _find_same(session, app_state, who, each)
            for each, is_new in zip(checked, are_new, strict=True)
        ]
    if any(are_new):
        release_next(app_state, checked[0].found.request.owner_id)
    shown = [dump_request(app_state, each, who.requester) for each in stored]
    return [Answered(*pair) for pair in zip(shown, are_new, strict=True)]


def _find_same(session: Session, app_state: AppState, who: Answerer, checked: _Checked) -> Found:
    """Return a request that was answered before, if with the same answer."""
    with _pointing_to(checked.pointer):
        found = find_request(session, app_state, checked.found.request.id, who.requester)
        if not _is_same(found.request, checked.ended):
            raise _end_of(dump_request(app_state, found, who.requester), who.requester)
    return found


def _is_same(request: InputRequestMixin, again: Ended) -> bool:
    """Compare the answers as JSON: in Python, ``1``, ``1.0`` and ``True`` are equal."""
    status, by = InputStatus(request.status), request.answered_by
    first = Ended(status, request.decision, request.answer, by, request.bypassed)
    texts = [json.dumps(answer, sort_keys=True) for answer in (first.answer, again.answer)]
    return first == again._replace(link_issued_by=None) and texts[0] == texts[1]


def require_open(request: Json, requester: Requester) -> None:
    """Check that nothing was decided about a request, as *requester* sees it.

    :raises InputAnswered: if it was answered before.
    :raises InputGone: if it has expired, or is not asked any more.
    """
    if request["status"] != InputStatus.OPEN:
        raise _end_of(request, requester)


def _end_of(request: Json, requester: Requester) -> InputAnswered | InputGone:
    """Return the error for an answer of *requester* to a request that has ended."""
    if request["status"] == InputStatus.ANSWERED:
        somebody = _somebody_has(request["answered_by"], requester)
        detail = f"{somebody} answered with '{request['decision']}' before."
        return InputAnswered(detail, input_request=request)
    if request["status"] == InputStatus.WITHDRAWN:
        return InputGone("This is not asked any more. The execution may ask again.")
    return InputGone("The request has expired.")


def _somebody_has(answered_by: str | None, requester: Requester) -> str:
    if answered_by is None:
        return "The application has"
    is_requester = requester is not None and requester.user_id == answered_by
    return "You have" if is_requester else f"'{answered_by}' has"


@contextlib.contextmanager
def _pointing_to(pointer: str) -> Iterator[None]:
    """Let errors say where the answer is that they are about."""
    try:
        yield
    except CrewExecError as error:
        if not pointer:
            raise
        own = error.problems or [Problem("", error.code, error.detail)]
        error.problems = tuple(each._replace(pointer=pointer + each.pointer) for each in own)
        error.detail = f"{error.problems[0].pointer.removeprefix('/')}: {error.detail}"
        error.args = (error.detail,)
        raise
