"""A task of the host, and a Celery app with it that knows nothing of the extension."""

from __future__ import annotations

import os

from celery import Celery
from flask.config import Config

QUEUE = "mails"
TASK = "mails.send"


def new_plain() -> Celery:
    """Configured as the host: ``HOST_CELERY`` holds options for both."""
    plain = Celery("plain", set_as_current=False)
    config = Config("")
    config.from_prefixed_env("HOST")
    plain.conf.update(
        broker_url=os.environ["CELERY_BROKER_URL"],
        result_backend=os.environ["CELERY_RESULT_BACKEND"],
        **config.get("CELERY", {}),
    )
    return plain


def add_task(celery: Celery) -> Celery:
    celery.task(name=TASK, ignore_result=False)(send)
    return celery


def send(address: str) -> str:
    return f"sent to {address}"
