"""Lets kombu use our transports for the URLs of Redis."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from kombu import transport

_OURS: t.Final[Mapping[str, str]] = {
    "redis": f"{__package__}.transports:Transport",
    "rediss": f"{__package__}.transports:Transport",
    "sentinel": f"{__package__}.transports:SentinelTransport",
}
"""Named, since redis-py is loaded with them; processes that use no broker need not load it."""


def use_our_transports() -> None:
    """Let kombu find our transports under the names of its own, in this process.

    They differ only for connections that name our queues. Celery's ``broker_transport`` would not
    do: a connection with several addresses takes its transport from the one to which it switches.
    """
    transport.TRANSPORT_ALIASES.update(_OURS)
    for name in _OURS:
        transport._transport_cache.pop(name, None)
