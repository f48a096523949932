"""What the graphs of a user may use."""

from __future__ import annotations

import typing as t
from collections.abc import Collection

from .role_limits import RoleLimits


class Permissions(t.NamedTuple):
    """Registered names that the graphs of a user may use, and how much of them."""

    tools: Collection[str]
    models: Collection[str]
    guardrails: Collection[str] = ()
    predicates: Collection[str] = ()
    role_limits: RoleLimits = RoleLimits()
