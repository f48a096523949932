"""Bodies of webhooks, as Standard Webhooks recommends: ``{"type", "timestamp", "data"}``."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

from ..app_state import AppState
from ..scheduling.status_document import read_status_document
from ..scheduling.status_document import with_links
from .links import url_of
from .notification import Notification

TEST: t.Final = "webhook.test"
"""Type of what is sent to try a webhook."""

Json = dict[str, t.Any]


def thin_body(notification: Notification) -> str:
    """Return what happened, the same each time that it is told."""
    return _body(notification.type, notification.time, _data(notification))


def full_body(app_state: AppState, notification: Notification) -> str:
    """Return the same, with the execution as it is now."""
    status = read_status_document(app_state, notification.execution_id, None)
    data = {**_data(notification), "execution": with_links(status, url_of)}
    return _body(notification.type, notification.time, data)


def sample_body(webhook_id: str, moment: dt.datetime) -> str:
    """Return what is sent to try a webhook."""
    return _body(TEST, moment, {"id": webhook_id})


def _data(notification: Notification) -> Json:
    one = {"execution_id": notification.execution_id}
    data: Json = {
        "id": notification.execution_id,
        "status": notification.status,
        "links": {"self": url_of("get_execution", **one), "events": url_of("list_events", **one)},
    }
    found = {name: notification.data.get(name) for name in ("step", "request")}
    return {**data, **{name: value for name, value in found.items() if value is not None}}


def _body(type: str, moment: dt.datetime, data: Json) -> str:
    return json.dumps({"type": type, "timestamp": moment.isoformat(), "data": data})
