"""What a web server of a test imports."""

from __future__ import annotations

import host

app = host.create_app()
