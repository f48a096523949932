"""The dashboard: pages for people, as a blueprint that the host registers if it wants them."""

from __future__ import annotations

from ..web.csrf import reject_cross_site as reject_cross_site
from .blueprint import create_dashboard as create_dashboard
