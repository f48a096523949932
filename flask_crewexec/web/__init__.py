"""The JSON API, as a blueprint that changes nothing outside of it."""

from __future__ import annotations

from .blueprint import create_blueprint as create_blueprint
