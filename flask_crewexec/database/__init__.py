"""The host's database: engines, sessions and transactions."""

from __future__ import annotations

from .database import CHANGED_EXECUTIONS as CHANGED_EXECUTIONS
from .database import Database as Database
from .database import DatabaseExtension as DatabaseExtension
from .database import LOCK_TIMEOUT_SECONDS as LOCK_TIMEOUT_SECONDS
from .database import NEW_DELIVERIES as NEW_DELIVERIES
