"""Deliveries of notifications: how they went, and sending them again."""

from __future__ import annotations

import datetime as dt
import typing as t
import uuid
from collections.abc import Sequence

from .. import clock
from ..app_state import AppState
from ..app_state import current_app_state
from ..errors import NotFound
from ..errors import WrongState
from ..ids import parse_uuid
from ..models import DeliveryMixin
from ..scheduling.webhook_checks import require_webhooks
from ..schemas import DeliveryQuerySchema
from ..schemas import DeliverySchema
from ..schemas import ExecutionDeliveryQuerySchema
from ..schemas import load
from ..storage import delivery_log
from ..storage.delivery_claims import DeliveryKey
from ..storage.execution_queries import find_execution
from ..storage.outbox import WEBHOOK
from ..storage.ownership import Requester
from ..storage.webhooks import find_webhook
from ..storage.webhooks import Id

Json = dict[str, t.Any]

_DELIVERIES: t.Final = DeliverySchema(many=True)
_OF_WEBHOOK: t.Final = DeliveryQuerySchema()
_OF_EXECUTION: t.Final = ExecutionDeliveryQuerySchema()


class DeliveryPage(t.NamedTuple):
    """Some deliveries, and where the next page begins."""

    deliveries: list[Json]
    next: str | None


class DeliveryService:
    """Deliveries of the current application.

    Each method raises :exc:`~flask_crewexec.errors.NotFound` for what *requester* may not see.
    """

    def of_webhook(
        self,
        webhook_id: Id,
        requester: Requester = None,
        *,
        status: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> DeliveryPage:
        """Return the deliveries to a webhook, newest execution first."""
        app_state = current_app_state()
        page = load(_OF_WEBHOOK, _given(status=status, before=before, limit=limit))
        receiver = _receiver(app_state, webhook_id, requester)
        page["before"] = page["before"] and _parse_event_id(page["before"])
        found = delivery_log.list_of_receiver(app_state, receiver, **page)
        return _page(found, limit, [each.event_id for each in found[-1:]])

    def of_execution(
        self,
        execution_id: Id,
        requester: Requester = None,
        *,
        before: str | None = None,
        limit: int = 50,
    ) -> DeliveryPage:
        """Return the deliveries of an execution, newest event first.

        Its owner sees those to webhooks, managers those to the host's handlers, too.
        """
        app_state = current_app_state()
        page = load(_OF_EXECUTION, _given(before=before, limit=limit))
        with app_state.database.read_session() as session:
            id = find_execution(session, app_state.models, execution_id, requester).id
        page["before"] = page["before"] and _parse_place(page["before"])
        sees_all = requester is None or requester.may_manage_others
        found = delivery_log.list_of_execution(app_state, id, with_handlers=sees_all, **page)
        return _page(found, limit, [f"{each.seq}.{each.receiver}" for each in found[-1:]])

    def of_handler(
        self, receiver: str, *, status: str | None = None, limit: int = 50
    ) -> list[Json]:
        """Return the deliveries to a handler of the host, newest execution first, for operators.

        :param receiver: its name, such as ``handler:myapp.send_mail``.
        """
        page = load(_OF_WEBHOOK, _given(status=status, limit=limit))
        found = delivery_log.list_of_receiver(current_app_state(), receiver, **page)
        return t.cast("list[Json]", _DELIVERIES.dump(found))

    def failed(self, *, limit: int = 50) -> list[Json]:
        """Return deliveries to all receivers that were given up, for operators."""
        found = delivery_log.list_failed(current_app_state(), before=None, limit=limit)
        return t.cast("list[Json]", _DELIVERIES.dump(found))

    def resend(self, webhook_id: Id, event_id: str, requester: Requester = None) -> None:
        """Send a delivery to a webhook again, with all tries before it.

        :raises WrongState: if it waits to be sent.
        """
        app_state = current_app_state()
        require_webhooks(app_state)
        receiver = _receiver(app_state, webhook_id, requester)
        self.resend_to(receiver, event_id)

    def resend_to(self, receiver: str, event_id: str) -> None:
        """Do the same for any receiver, such as ``handler:NAME``, for operators."""
        app_state = current_app_state()
        execution_id, seq = _parse_event_id(event_id)
        key = DeliveryKey(execution_id, receiver, seq)
        with app_state.database.write_transaction() as session:
            if delivery_log.resend(session, app_state.models, key):
                return
            found = delivery_log.exists(session, app_state.models, key)
        if found:
            raise WrongState("It waits to be sent already.")
        raise NotFound(f"There is no delivery of '{event_id}' to '{receiver}'.")

    def resend_failed(
        self, webhook_id: Id, requester: Requester = None, *, since: dt.datetime
    ) -> int:
        """Send everything to a webhook again that was given up since a time; return how many."""
        app_state = current_app_state()
        require_webhooks(app_state)
        return self.resend_failed_to(_receiver(app_state, webhook_id, requester), since=since)

    def resend_failed_to(self, receiver: str, *, since: dt.datetime) -> int:
        """Do the same for any receiver, for operators."""
        app_state = current_app_state()
        with app_state.database.write_transaction() as session:
            moment = clock.as_utc(since)
            return delivery_log.resend_failed(session, app_state.models, receiver, moment)


def _receiver(app_state: AppState, webhook_id: Id, requester: Requester) -> str:
    require_webhooks(app_state)
    with app_state.database.read_session() as session:
        return f"{WEBHOOK}{find_webhook(session, app_state.models, webhook_id, requester).id}"


def _given(**values: object) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _page(found: Sequence[DeliveryMixin], limit: int, last: list[str]) -> DeliveryPage:
    next = last[0] if len(found) == limit else None
    return DeliveryPage(_DELIVERIES.dump(found), next)


def _parse_event_id(event_id: str) -> tuple[uuid.UUID, int]:
    id, _, seq = event_id.partition(".")
    if not (seq.isascii() and seq.isdecimal() and len(seq) < 10):
        raise NotFound(f"There is no event '{event_id}'.")
    return parse_uuid(id, "execution"), int(seq)


def _parse_place(place: str) -> tuple[int, str]:
    seq, _, receiver = place.partition(".")
    return int(seq), receiver
