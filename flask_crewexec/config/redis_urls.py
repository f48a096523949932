"""The URLs of the broker and the result backend."""

from __future__ import annotations

import os
import re
import ssl
import typing as t
from collections.abc import Mapping

from flask import Config

from ..errors import ConfigError

BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel", "redis+cluster", "rediss+cluster")
CLUSTER_KEY_PREFIX = "{crewexec}:"
"""What the keys of an installation in a Redis Cluster begin with; the braces keep them together."""
_LOCATION: t.Final = re.compile(r"([^/?]*)(/[^?]*)?(\?.*)?", re.DOTALL)
"""What follows the scheme: credentials and hosts, path, and query."""
DEFAULT_REDIS_URL = "redis://localhost:6379/0"


def check_broker_url(url: object) -> None:
    """Check that the broker is one Redis, whose lists priorities and queue depths are based on.

    :param url: the one of the Celery app, which is only ours if the host has none.
    :raises ConfigError: if it is anything else.
    """
    if not url:
        raise ConfigError(
            "Your Celery app has no broker: set its 'broker_url', or the environment variable"
            " 'CELERY_BROKER_URL'. 'CELERY_BROKER_URL' and 'CELERY' in 'app.config' configure only"
            " the Celery app that the extension makes when you have none."
        )
    if not isinstance(url, str):
        raise ConfigError(
            "'broker_url' of your Celery app must be a text. The URLs of several Sentinels are"
            " separated by semicolons."
        )
    scheme, separator, _ = url.partition("://")
    scheme = scheme if separator else ""  # without a scheme, the text may begin with a password
    if scheme not in BROKER_SCHEMES:
        raise ConfigError(
            f"'CELERY_BROKER_URL' begins with '{scheme}'; it must begin with one of:"
            f" {', '.join(BROKER_SCHEMES)}. If your own tasks use another broker, keep their Celery"
            " app, and pass one for ours: 'init_app(app, celery=Celery(broker=\"redis://…\"))'."
        )
    if ";" in url and scheme != "sentinel":
        # Workers and web processes would not change over together, and not find each other.
        raise ConfigError(
            "'CELERY_BROKER_URL' names several servers, each of which would have messages of its"
            " own. Name one, or use Sentinel or a Redis Cluster, which name the one to be used."
        )


def tls_options(url: object, given: object) -> object:
    """Return Celery's TLS options for a URL, in which the server's certificate is verified.

    Celery itself would accept any certificate of a broker, and demand ``ssl_cert_reqs`` in the URL
    of a result backend. Options in the URL take precedence over these.

    :param given: the options that the host has set, if any.
    """
    if not given and not str(url).startswith(("rediss://", "rediss+")):
        return given
    options = given if isinstance(given, Mapping) else {}
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED, **options}


def server_options(url: object, options: Mapping[str, t.Any], seconds: float) -> dict[str, t.Any]:
    """Return transport options for finding the server behind a URL that names others.

    :param seconds: how long each of these may take to answer.
    :raises ConfigError: if the host's options would spread the keys over a Redis Cluster.
    """
    return cluster_options(url, sentinel_options(url, options, seconds), seconds)


def is_cluster(url: object) -> bool:
    """Return whether a URL names the nodes of a Redis Cluster."""
    return str(url).startswith(("redis+cluster://", "rediss+cluster://"))


def sentinel_options(url: object, options: Mapping[str, t.Any], seconds: float) -> dict[str, t.Any]:
    """Return transport options with which a Sentinel that does not answer delays nothing for long.

    Sentinels are asked one after the other for each new connection. redis-py would try each of
    them several times, and wait for ever for one that hangs.

    :param seconds: how long each may take to answer.
    """
    if not str(url).startswith("sentinel://"):
        return dict(options)
    quick = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": None}
    return {**options, "sentinel_kwargs": {**quick, **(options.get("sentinel_kwargs") or {})}}


def cluster_options(url: object, options: Mapping[str, t.Any], seconds: float) -> dict[str, t.Any]:
    """Return transport options with which all keys are in one slot of a Redis Cluster.

    :param seconds: how long a node may take to accept a connection, or to name the primary.
    :raises ConfigError: if the host's ``global_keyprefix`` would spread the keys.
    """
    if not is_cluster(url):
        return dict(options)
    prefix = options.get("global_keyprefix", CLUSTER_KEY_PREFIX)
    if not re.search(r"\{[^}]+\}", prefix):
        raise ConfigError(
            f"'global_keyprefix' in the transport options of your Celery app is {prefix!r}; in a"
            f" Redis Cluster it must contain a name in braces, such as '{CLUSTER_KEY_PREFIX}', so"
            " that all keys are on one server."
        )
    return {"socket_connect_timeout": seconds, **options, "global_keyprefix": prefix}


def single_host_url(url: str) -> str:
    """Return the URL of a cluster in a form that kombu can parse; other URLs as they are.

    The nodes after the first become a part of the query: ``redis+cluster://host1:1/?nodes=host2:2``.
    """
    scheme, separator, rest = url.partition("://")
    if not scheme.endswith("cluster"):
        return url
    location, path, query = _LOCATION.fullmatch(rest).groups("")  # type: ignore[union-attr]
    credentials, at, hosts = location.rpartition("@")
    first, comma, others = hosts.partition(",")
    if not comma:
        return url
    query = f"{query}{'&' if query else '?'}nodes={others}"
    return f"{scheme}{separator}{credentials}{at}{first}{path or '/'}{query}"


def redis_url(config: Config, key: str) -> str:
    """Return ``CELERY_BROKER_URL`` or ``CELERY_RESULT_BACKEND`` from the environment or *config*.

    Celery itself prefers these environment variables to its configuration. Without them, the key
    ``CELERY`` of the configuration may still override the URL.

    :raises ConfigError: if the value is not a URL.
    """
    value = os.environ.get(key) or config.get(key) or DEFAULT_REDIS_URL
    if not isinstance(value, str) or ":" not in value:
        raise ConfigError(f"'{key}' must be a URL such as '{DEFAULT_REDIS_URL}'.")
    return value
