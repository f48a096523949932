"""The host's Celery app: what a worker process is started with."""

from __future__ import annotations

from support.host_app import host

celery_app = host.create_app().extensions["celery"]
