"""What a web server of a test imports."""

from __future__ import annotations

from support.host_app import host

app = host.create_app()
