"""What managers are told on every page: a pause of the queue, and what is wrong."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..app_state import current_app_state
from ..services.readiness import Check
from ..services.service_problems import service_problems
from ..storage.queue_pause import QueuePause
from ..storage.queue_pause import read_pause


class ServiceNotice(t.NamedTuple):
    """What managers are told on every page."""

    pause: QueuePause | None
    problems: list[Check]


def service_notice() -> ServiceNotice:
    """Return what is wrong; it never raises, and never makes a page slow."""
    app_state = current_app_state()
    try:
        pause = read_pause(app_state)
    except sa.exc.SQLAlchemyError:  # the problems tell that
        pause = None
    return ServiceNotice(pause, service_problems(app_state))
