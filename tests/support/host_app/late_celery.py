"""A mistake: the host makes its Celery app after ``init_app``, and stores it or not."""

from __future__ import annotations

import os

from celery import Celery

from support.host_app import host

flask_app = host.create_app()
celery_app = Celery("late", broker=os.environ["CELERY_BROKER_URL"], set_as_current=False)
if "STORED_LATE" in os.environ:
    flask_app.extensions["celery"] = celery_app
