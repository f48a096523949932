"""OpenAPI 3.1 document of the routes, generated from the views and their schemas."""

from __future__ import annotations

from .document import describe as describe
