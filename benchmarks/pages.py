"""WSGI application: the host of the tests with the dashboard."""

from __future__ import annotations

from flask_crewexec.dashboard import create_dashboard
from support.host_app import host

app = host.create_app()
app.register_blueprint(create_dashboard())
