"""The dashboard: pages for people, as a blueprint that the host registers if it wants them."""

from __future__ import annotations

from ..web.origin import refuse_cross_site as refuse_cross_site
from .blueprint import create_monitor as create_monitor
