"""The HTTP side: a blueprint that touches nothing of the host."""

from __future__ import annotations

from .blueprint import create_blueprint as create_blueprint
