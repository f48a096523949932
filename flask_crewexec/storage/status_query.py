"""The row of an execution for its status, which clients read again and again.

The query is built once, and its row is not mapped: both take longer than reading it.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import defer

from ..app_state import AppState
from ..errors import NotFound
from ..ids import parse_uuid
from ..models import ExecutionMixin
from ..models import is_plain
from ..models import table_of
from ..models import unmapped_execution
from ..per_app import AppLocal
from . import database_clock
from .execution_queries import find_execution
from .execution_queries import Id
from .execution_queries import with_graph_name
from .graph_queries import graph_name_of
from .ownership import owned_by
from .ownership import Requester
from .ownership import user_seen_by
from .queue_pause import is_paused

_EXECUTION: t.Final = sa.bindparam("of_execution", type_=sa.Uuid)
_USER: t.Final = sa.bindparam("for_user", type_=sa.String)


class _Queries:
    """The columns of a status, without the result, and the queries for them."""

    def __init__(self, app: Flask) -> None:
        models = app.extensions["crewexec"].models
        model = models.execution
        columns = [column for column in table_of(model).c if column.key != "result"]
        computed = {
            "read_at": database_clock.now(),
            "graph_name": graph_name_of(models),
            "queue_paused": is_paused(models),
        }
        self.names = [*(column.key for column in columns), *computed]
        self.of_anybody = sa.select(*columns, *computed.values()).where(model.id == _EXECUTION)
        self.of_user = self.of_anybody.where(owned_by(model, _USER))


_queries: t.Final = AppLocal(_Queries)


def find_for_status(app_state: AppState, execution_id: Id, requester: Requester) -> ExecutionMixin:
    """Return an execution without its result.

    :raises NotFound: if there is none, or not for *requester*.
    """
    if not is_plain(app_state.models.execution):
        return _find_mapped(app_state, execution_id, requester)
    queries = _queries.current()
    user_id = user_seen_by(requester)
    query = queries.of_anybody if user_id is None else queries.of_user
    parameters = {_EXECUTION.key: parse_uuid(execution_id, "execution"), _USER.key: user_id}
    with app_state.database.autocommit_connection() as connection:
        row = connection.execute(query, parameters).one_or_none()
    if row is None:
        raise NotFound(f"There is no execution '{execution_id}'.")
    return unmapped_execution(dict(zip(queries.names, row, strict=True)))


def _find_mapped(app_state: AppState, execution_id: Id, requester: Requester) -> ExecutionMixin:
    models = app_state.models
    with app_state.database.read_session() as session:
        without_result = defer(models.execution.result, raiseload=True)
        options = (without_result, with_graph_name(models))
        return find_execution(session, models, execution_id, requester, *options)
