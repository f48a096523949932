"""Input requests: what executions ask people, and who sees that."""

from __future__ import annotations

import functools
import typing as t
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import defer
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from ..app_state import AppState
from ..identity import Identity
from ..models import InputAssigneeMixin
from ..models import InputRequestMixin
from ..models import Models
from ..statuses import has_status
from ..statuses import InputStatus
from ..statuses import STEP_DONE
from . import database_clock
from .bounded_outputs import count_fitting
from .bounded_outputs import total_length
from .graph_queries import graph_name_of
from .ownership import answerable_by
from .ownership import named_by
from .ownership import owned_by
from .ownership import Requester
from .ownership import user_seen_by

Json = dict[str, t.Any]

CONTENTS: t.Final = ("draft", "arguments", "schema", "default", "answer")
"""Columns that may be large."""
USER: t.Final = "user"
ROLE: t.Final = "role"
LINK: t.Final = "link"
"""Nobody is asked by it: a signed link was issued for a user with a role that is asked."""


class NewRequest(t.NamedTuple):
    """What is asked; see :class:`~flask_crewexec.models.InputRequestMixin` for the fields."""

    owner_id: str
    kind: str
    step: int
    step_name: str
    generation: int
    round: int
    message: str | None
    problem: str | None
    draft: Json | None
    schema: Json | None
    decisions: list[str]
    on_expiry: str
    call: str = ""
    tool: str | None = None
    arguments: Json | None = None
    digest: str | None = None
    default: Json | None = None
    roles_only: bool = False
    four_eyes: bool = False
    edited_by: str | None = None


def insert(
    session: Session,
    models: Models,
    execution_id: uuid.UUID,
    new: NewRequest,
    *,
    id: uuid.UUID,
    expires_in: float | None,
    assignees: Sequence[tuple[str, str]],
) -> None:
    """Insert a request, in a transaction that has checked the lease.

    :param expires_in: seconds until it is too late for an answer.
    :param assignees: pairs of a kind and a name; none for the owner of the execution.
    """
    values = {
        **new._asdict(),
        "id": id,
        "execution_id": execution_id,
        "is_assigned": bool(assignees),
        "status": InputStatus.OPEN,
        "created_at": database_clock.now(),
    }
    if expires_in is not None:
        values["expires_at"] = database_clock.seconds_from_now(expires_in)
    session.execute(sa.insert(models.input_request).values(values))
    if assignees:
        rows = [{"request_id": id, "kind": kind, "name": name} for kind, name in assignees]
        session.execute(sa.insert(models.input_assignee), rows)


def store_link(session: Session, models: Models, found: Found, user: Identity) -> None:
    """Store that a link was issued for somebody whom a request asks by a role.

    With the name, an erasure of their data finds the link, which is void then. Others are named by
    the request itself.
    """
    row = {"request_id": found.request.id, "kind": LINK, "name": user.user_id}
    session.execute(sa.insert(models.input_assignee), [row])


def new_id() -> uuid.UUID:
    """Return the id of a new request."""
    return uuid7()


def requests_of_step(
    session: Session, models: Models, execution_id: uuid.UUID, step: int, kind: str
) -> Sequence[InputRequestMixin]:
    """Return what a step has asked, in its order."""
    request = models.input_request
    query = sa.select(request).where(
        request.execution_id == execution_id, request.step == step, request.kind == kind
    )
    return session.scalars(query.order_by(request.generation, request.round)).all()


def of_unfinished_steps(
    session: Session, models: Models, execution_id: uuid.UUID
) -> Sequence[InputRequestMixin]:
    """Return what the steps of an execution have asked that are not done, each in its order."""
    query = _of_unfinished_steps(models)
    return session.scalars(query, {"of_execution": execution_id}).all()


@functools.lru_cache(maxsize=8)
def _of_unfinished_steps(models: Models) -> sa.Select[InputRequestMixin]:
    request, step, id = (
        models.input_request,
        models.step,
        sa.bindparam("of_execution", type_=sa.Uuid),
    )
    this_step = sa.and_(step.execution_id == request.execution_id, step.position == request.step)
    return (
        sa.select(request)
        .join(step, this_step)
        .where(request.execution_id == id, step.status.not_in(STEP_DONE))
        .order_by(request.step, request.generation, request.round)
    )


def open_ids(app_state: AppState, execution_id: uuid.UUID) -> list[str]:
    """Return the ids of the open requests of an execution, in their order."""
    request = app_state.models.input_request
    query = sa.select(request.id).where(
        request.execution_id == execution_id, has_status(request, InputStatus.OPEN)
    )
    with app_state.database.read_session() as session:
        return [str(id) for id in session.scalars(query.order_by(request.id))]


class Found(t.NamedTuple):
    """A request, and what is needed to show it."""

    request: InputRequestMixin
    assignees: Sequence[InputAssigneeMixin]
    is_due: bool
    """Whether it is open, but expired."""
    graph_name: str
    """Present name of the graph of its execution."""

    def names(self, requester: Identity) -> bool:
        """Return whether the request asks this very user."""
        mine = {(ROLE, role) for role in requester.roles}
        if not self.request.roles_only:
            mine.add((USER, requester.user_id))
        return any((each.kind, each.name) in mine for each in self.assignees)

    def may_have_link(self, user: Identity) -> bool:
        """Return whether a link for somebody is not void, since their data was not erased."""
        is_asked_by_role = self.names(user) and not self.names(Identity(user.user_id))
        is_issued = any((each.kind, each.name) == (LINK, user.user_id) for each in self.assignees)
        return is_issued or not is_asked_by_role


def find(session: Session, models: Models, id: uuid.UUID, requester: Requester) -> Found | None:
    """Return a request; None if there is none, or not for *requester*."""
    mine = answerable_by(models, requester)
    query = _found(models).where(models.input_request.id == id, mine)
    return next(iter(_read(session, models, query)), None)


class Page(t.NamedTuple):
    """Which requests to list."""

    limit: int
    before: uuid.UUID | None = None
    """Only those that are older than this one."""
    status: str | None = None
    execution_id: uuid.UUID | None = None
    assigned: bool = False
    """Only those that the requester is asked, and may answer."""
    expires_within: float | None = None
    """Only those that expire within so many seconds, or have."""


class Listed(t.NamedTuple):
    """A page of requests, newest first."""

    found: list[Found]
    may_go_on: bool
    """Whether there may be older ones."""


def list_page(
    session: Session, models: Models, requester: Requester, page: Page, max_chars: int | None
) -> Listed:
    """Return requests, newest first.

    :param max_chars: maximum length of what they contain together, beyond which there are fewer
        than the page's limit, but at least one; None to load none of :data:`CONTENTS`.
    """
    # Several statements: PostgreSQL might join the few ids of one with all requests.
    request, ids = models.input_request, _newest_ids(session, models, requester, page)
    query = _found(models).where(request.id.in_(ids)).order_by(request.id.desc())
    if not ids:
        return Listed([], False)
    if max_chars is None:
        contents = (getattr(request, name) for name in CONTENTS)
        query = query.options(*(defer(each, raiseload=True) for each in contents))
    else:
        query = query.limit(_count_fitting(session, models, query, max_chars))
    found = _read(session, models, query)
    return Listed(found, len(ids) == page.limit or len(found) < len(ids))


def _newest_ids(
    session: Session, models: Models, requester: Requester, page: Page
) -> list[uuid.UUID]:
    request, user_id = models.input_request, user_seen_by(requester)
    if requester is None or not (page.assigned or user_id is not None):
        return [*session.scalars(_limited(sa.select(request.id), request, page))]
    ids = session.scalars(ids_for(models, requester, page)).all()
    return sorted({*ids}, reverse=True)[: page.limit]


def _count_fitting(
    session: Session, models: Models, query: sa.Select[t.Any], max_chars: int
) -> int:
    request = models.input_request
    contents = (request.message, request.problem, *(getattr(request, each) for each in CONTENTS))
    lengths = session.scalars(query.with_only_columns(total_length(*contents)))
    return count_fitting(lengths, max_chars)


def _limited(
    query: sa.Select[t.Any], request: type[InputRequestMixin], page: Page
) -> sa.Select[t.Any]:
    if page.status is not None:
        query = query.where(_is_shown_as(request, InputStatus(page.status)))
    if page.execution_id is not None:
        query = query.where(request.execution_id == page.execution_id)
    if page.expires_within is not None:
        until = database_clock.seconds_from_now(page.expires_within)
        query = query.where(request.expires_at <= until)
    if page.before is not None:
        query = query.where(request.id < page.before)
    return query.order_by(request.id.desc()).limit(page.limit)


def _is_shown_as(request: type[InputRequestMixin], status: InputStatus) -> sa.ColumnElement[bool]:
    """Return the condition of a status: what is due has expired, though it is stored as open."""
    is_due = _is_due(request)
    if status == InputStatus.OPEN:
        return sa.and_(has_status(request, status), sa.not_(is_due))
    if status == InputStatus.EXPIRED:
        return sa.or_(has_status(request, status), is_due)
    return has_status(request, status)


def ids_for(models: Models, requester: Identity, page: Page) -> sa.Select[t.Any]:
    """Return the query for the ids of a page of what a user owns, and of what names them.

    Each half reads no more than it needs: with one condition, all requests would be read.
    """
    request, other = models.input_request, sa.orm.aliased(models.input_request)
    own = sa.select(request.id).where(owned_by(request, requester.user_id))
    named = sa.select(other.id).where(other.id.in_(named_by(models, requester)))
    if page.assigned:
        own = own.where(request.is_assigned.is_(False), _is_for_eyes_of(request, requester))
        named = named.where(_is_for_eyes_of(other, requester))
    halves = [_limited(own, request, page), _limited(named, other, page)]
    both = sa.union_all(*(sa.select(half.subquery()) for half in halves)).subquery()
    return sa.select(both.c.id)


def _is_for_eyes_of(
    request: type[InputRequestMixin], requester: Identity
) -> sa.ColumnElement[bool]:
    """Return the condition that somebody is no reason for which a request needs four eyes."""
    first = sa.or_(
        owned_by(request, requester.user_id),
        sa.func.coalesce(request.edited_by == requester.user_id, sa.false()),
    )
    return sa.or_(request.four_eyes.is_(False), sa.not_(first))


def _found(models: Models) -> sa.Select[t.Any]:
    request = models.input_request
    execution = models.execution
    graph_name = (
        sa.select(graph_name_of(models))
        .where(execution.id == request.execution_id)
        .correlate(request)
        .scalar_subquery()
    )
    columns: list[t.Any] = [request, _is_due(request), graph_name]
    return sa.select(*columns)


def _read(session: Session, models: Models, query: sa.Select[t.Any]) -> list[Found]:
    rows = session.execute(query).all()
    assignee = models.input_assignee
    ids = [request.id for request, _, _ in rows if request.is_assigned]
    assignees: Sequence[InputAssigneeMixin] = []
    if ids:
        of_requests = sa.select(assignee).where(assignee.request_id.in_(ids))
        assignees = session.scalars(of_requests.order_by(assignee.kind, assignee.name)).all()
    return [
        Found(request, [each for each in assignees if each.request_id == request.id], *rest)
        for request, *rest in rows
    ]


def _is_due(request: type[InputRequestMixin]) -> sa.ColumnElement[bool]:
    """Return the condition that nobody can answer any more, although the row is open."""
    is_due = sa.and_(has_status(request, InputStatus.OPEN), is_expired(request))
    return sa.func.coalesce(is_due, sa.false())


def is_expired(request: type[InputRequestMixin]) -> sa.ColumnElement[bool]:
    """Return the condition that it is too late for an answer."""
    return request.expires_at <= database_clock.now()
