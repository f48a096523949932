"""What ``celery -A benchmarks.reference.worker worker`` runs."""

from __future__ import annotations

from . import crews  # noqa: F401 - before the fork, so that each child need not import CrewAI
from .app import create_app

celery_app = create_app().extensions["celery"]
