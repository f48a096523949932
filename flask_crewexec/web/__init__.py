"""The HTTP side: a blueprint that touches nothing of the host."""

from __future__ import annotations

from .api import create_blueprint as create_blueprint
