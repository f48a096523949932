"""The checks of an installation, in the order in which they run."""

from __future__ import annotations

import typing as t

from . import broker
from . import database
from . import from_readiness
from . import graphs
from . import settings
from . import workers
from .check import Check

CHECKS: t.Final[tuple[Check, ...]] = (
    database.SERVER,
    from_readiness.TABLES,
    *database.CHECKS,
    from_readiness.BROKER,
    *broker.CHECKS,
    from_readiness.CONSUMERS,
    from_readiness.PAUSE,
    *workers.CHECKS,
    *settings.CHECKS,
    *graphs.CHECKS,
)
