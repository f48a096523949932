"""The host's Celery app with a task of its own beside ours."""

from __future__ import annotations

from support.host_app import host
from support.host_app.mails import add_task

celery_app = add_task(host.create_app().extensions["celery"])
