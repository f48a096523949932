"""The host's Celery app: what a worker process is started with."""

from __future__ import annotations

from support import shifted_clock
from support.host_app import host

shifted_clock.set_as_told()
celery_app = host.create_app().extensions["celery"]
