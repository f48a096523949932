"""The web dashboard, an optional blueprint."""

from __future__ import annotations

from ..web.csrf import reject_cross_site as reject_cross_site
from .blueprint import create_dashboard as create_dashboard
