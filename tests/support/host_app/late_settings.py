"""A mistake: the host sets options of its Celery app after ``init_app``."""

from __future__ import annotations

import json
import os

from support.host_app import host

celery_app = host.create_app().extensions["celery"]
celery_app.conf.update(json.loads(os.environ["LATE_SETTINGS"]))
