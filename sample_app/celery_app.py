"""Celery app for ``celery -A sample_app.celery_app worker --queues=crew_execution,cleanup``."""

from __future__ import annotations

from . import create_app

celery_app = create_app().extensions["celery"]
