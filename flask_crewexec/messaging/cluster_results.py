"""Celery's result backend in a Redis Cluster."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from celery.backends.redis import RedisBackend

from ..config.redis_urls import single_host_url
from .cluster import connection_options
from .cluster import PrimaryConnection
from .cluster import PrimarySSLConnection


class ClusterBackend(RedisBackend):  # type: ignore[misc]  # Celery ships no types
    """Keeps results on the primary that has our keys."""

    connection_class_ssl = PrimarySSLConnection

    def __init__(self, *args: t.Any, url: str, **options: t.Any) -> None:
        super().__init__(*args, url=single_host_url(url), **options)

    def _params_from_url(self, url: str, defaults: Mapping[str, t.Any]) -> dict[str, t.Any]:
        transport = self.app.conf.result_backend_transport_options
        address, _, _ = url.partition("?")
        return {
            "connection_class": PrimaryConnection,
            **super()._params_from_url(address, defaults),
            "socket_connect_timeout": transport["socket_connect_timeout"],
            **connection_options(url, transport["global_keyprefix"]),
        }
