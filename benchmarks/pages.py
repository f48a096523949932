"""The host of the tests with the dashboard, for a web server."""

from __future__ import annotations

import host
from flask_crewexec.monitor import create_monitor

app = host.create_app()
app.register_blueprint(create_monitor())
