"""A worker of the host without the extension."""

from __future__ import annotations

from support.host_app.mails import add_task
from support.host_app.mails import new_plain

celery_app = add_task(new_plain())
