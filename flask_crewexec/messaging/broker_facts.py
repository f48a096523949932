"""What the server of the broker tells of itself."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Mapping

from ..app_state import AppState
from .broker import broker_client


class BrokerServer(t.NamedTuple):
    """The Redis-compatible server of the broker."""

    name: str
    """``Redis`` or ``Valkey``, with its version."""
    compatible: tuple[int, ...]
    """The version of Redis with which it is compatible; empty if it is not known."""
    is_replica: bool
    policy: str
    """What it does when it is full, such as ``noeviction``."""
    used: float | None
    """Which part of ``maxmemory`` is used; None if there is no limit."""
    appends: bool
    """Whether it writes every change to the append-only file."""
    snapshots: bool | None
    """Whether it writes snapshots; None if it does not permit to ask."""
    failed: bool
    """Whether its last attempt to save has failed."""


def read_broker_server(app_state: AppState) -> BrokerServer | None:
    """Return what the server tells; None if it does not permit to ask.

    :raises BrokerUnavailable: if the broker does not answer in time.
    """
    from redis.exceptions import ResponseError  # redis-py is loaded with the transport

    with broker_client(app_state) as client:
        try:
            info = client.info()
        except ResponseError:
            return None
        saves: bool | None = None
        with contextlib.suppress(ResponseError):
            saves = bool(client.config_get("save").get("save"))
    return _parsed(info, saves)


def _parsed(info: Mapping[str, t.Any], saves: bool | None) -> BrokerServer:
    redis = str(info.get("redis_version", ""))
    valkey = info.get("valkey_version")
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    failures = (info.get("rdb_last_bgsave_status"), info.get("aof_last_write_status"))
    return BrokerServer(
        name=f"Valkey {valkey}" if valkey else f"Redis {redis}",
        compatible=tuple(int(part) for part in redis.split(".") if part.isdigit()),
        is_replica=info.get("role") == "slave",
        policy=str(info.get("maxmemory_policy", "noeviction")),
        used=used / limit if limit else None,
        appends=bool(info.get("aof_enabled")),
        snapshots=saves,
        failed="err" in failures,
    )
