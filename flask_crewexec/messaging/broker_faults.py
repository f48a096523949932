"""Why the broker does not accept messages, read from the errors of redis-py."""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Iterator
from collections.abc import Mapping

from ..errors import BrokerUnavailable


class BrokerFault(t.NamedTuple):
    """A condition in which the broker accepts no messages."""

    code: str
    """Short name, which health checks report."""
    detail: str
    """Sentence that says what is wrong."""
    remedy: str
    """Sentence that says what operators do about it."""


class UnsuitableBroker(Exception):
    """The broker works, but this application must not use it as it is configured."""

    def __init__(self, fault: BrokerFault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class ClusterFound(UnsuitableBroker):
    """The broker belongs to a Redis Cluster, but its URL names a single server."""

    def __init__(self) -> None:
        super().__init__(CLUSTER)


class QueueTaken(UnsuitableBroker):
    """Another application, with another database, takes messages from a queue of ours."""

    def __init__(self, queue: str) -> None:
        fault = BrokerFault(
            "taken",
            f"Another application takes messages from the queue '{queue}' of this Redis database.",
            "Use another database number in 'CELERY_BROKER_URL', other names in"
            " 'CREWEXEC_EXECUTION_QUEUE' and 'CREWEXEC_CLEANUP_QUEUE', or a 'global_keyprefix'. If"
            " that application was killed, wait for 'CREWEXEC_STALE_WORKER_AFTER' seconds.",
        )
        super().__init__(fault)


SILENT: t.Final = BrokerFault(
    "no answer",
    "The message broker did not answer in time.",
    "Check that the server at 'CELERY_BROKER_URL' runs and can be reached. For development,"
    " 'flask --app myapp crewexec broker' runs one.",
)
FULL: t.Final = BrokerFault(
    "full",
    "The message broker is full: it has used all of its 'maxmemory'.",
    "Raise 'maxmemory' of the server, or remove what else it stores.",
)
READ_ONLY: t.Final = BrokerFault(
    "read-only",
    "The message broker is a read-only replica.",
    "Point 'CELERY_BROKER_URL' at the primary, or use Sentinel, which finds it.",
)
CLUSTER: t.Final = BrokerFault(
    "cluster",
    "The message broker is a node of a Redis Cluster, while 'CELERY_BROKER_URL' names a single"
    " server.",
    "Write the URL as 'redis+cluster://host1:port,host2:port', with some of the nodes.",
)
NO_PRIMARY: t.Final = BrokerFault(
    "no primary",
    "No server of the Redis Cluster accepts messages at the moment.",
    "Wait until a failover has ended, or ask the nodes in 'CELERY_BROKER_URL' for 'CLUSTER INFO'.",
)
NOT_SAVING: t.Final = BrokerFault(
    "not saving",
    "The message broker cannot save its data, and therefore accepts no writes.",
    "Read the log of the server: its disk may be full, or its folder not writable.",
)
TOO_FEW_REPLICAS: t.Final = BrokerFault(
    "too few replicas",
    "The message broker has fewer replicas than it needs to accept writes.",
    "Start its replicas, or lower 'min-replicas-to-write' of the server.",
)
NO_PERMISSION: t.Final = BrokerFault(
    "no permission",
    "The message broker does not permit its user to use a command or a key.",
    "Grant the user in 'CELERY_BROKER_URL' all commands and keys with 'ACL SETUSER'.",
)
NOT_SIGNED_IN: t.Final = BrokerFault(
    "not signed in",
    "The message broker rejected the user name or password.",
    "Correct the user name and password in 'CELERY_BROKER_URL'.",
)
UNTRUSTED: t.Final = BrokerFault(
    "not trusted",
    "The certificate of the message broker could not be verified.",
    "Name the file of its authority as 'ssl_ca_certs' in 'CELERY_BROKER_URL', with a host name for"
    " which the certificate is valid.",
)
LOADING: t.Final = BrokerFault(
    "loading",
    "The message broker has just started and is still loading its data.",
    "Wait until the server has loaded its data.",
)
TOO_MANY_CLIENTS: t.Final = BrokerFault(
    "too many clients",
    "The message broker accepts no more connections.",
    "Raise 'maxclients' of the server, or run fewer processes.",
)
REFUSED: t.Final = BrokerFault(
    "refused",
    "The message broker refused the command.",
    "Read the log of the server at 'CELERY_BROKER_URL'.",
)

_BY_TEXT: t.Final = (
    (re.compile(r"\bMISCONF\b"), NOT_SAVING),
    (re.compile(r"\bNOREPLICAS\b"), TOO_FEW_REPLICAS),
    (re.compile(r"\bUNBLOCKED\b"), READ_ONLY),
    (re.compile("max number of clients"), TOO_MANY_CLIENTS),
    (re.compile("CERTIFICATE_VERIFY_FAILED"), UNTRUSTED),
)
"""Errors for which redis-py has no class."""


def fault_of(error: BaseException) -> BrokerFault:
    """Return the reason of an error that a command to the broker has raised.

    kombu raises the errors of redis-py themselves, or its own with those as their cause.
    """
    # redis-py is loaded with the transport; processes that use no broker need not load it.
    from redis.exceptions import RedisError
    from redis.exceptions import ResponseError

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, UnsuitableBroker):
            return cause.fault
    reported = next((cause for cause in causes if isinstance(cause, RedisError)), None)
    if reported is None:
        return SILENT
    for kind, fault in _by_class().items():
        if isinstance(reported, kind):
            return fault
    for pattern, fault in _BY_TEXT:
        if pattern.search(str(reported)):
            return fault
    return REFUSED if isinstance(reported, ResponseError) else SILENT


def is_unsuitable(error: BaseException) -> bool:
    """Return whether an error says that this broker must not be used at all."""
    return any(isinstance(cause, UnsuitableBroker) for cause in _causes(error))


def is_broker_fault(error: BaseException) -> bool:
    """Return whether the broker is the reason of an error, so that a log needs no traceback."""
    from redis.exceptions import RedisError

    return isinstance(error, BrokerUnavailable | RedisError)


def refuse_cluster_node(client: t.Any) -> None:
    """Check that the server of a Redis client is not a node of a cluster, unless its URL says so.

    :raises ClusterFound: if it is.
    """
    from redis.exceptions import ResponseError

    if "cluster" in client.connection_pool.connection_kwargs:
        return  # its connections find their server themselves
    section: Mapping[str, object] = {}
    with contextlib.suppress(ResponseError):  # some users may not ask, some servers cannot answer
        section = client.info("cluster")
    if section.get("cluster_enabled"):
        raise ClusterFound


def nothing_queued(error: BaseException) -> BrokerUnavailable:
    """Return the error for a caller whose message was not accepted because of *error*."""
    return BrokerUnavailable(f"{fault_of(error).detail} Nothing was queued. Try again in a moment.")


def _by_class() -> dict[type[Exception], BrokerFault]:
    """Return the faults by classes of redis-py, subclasses first."""
    from redis import exceptions

    from .cluster import NoPrimary
    from .failover import Demoted

    return {
        NoPrimary: NO_PRIMARY,
        Demoted: READ_ONLY,
        exceptions.OutOfMemoryError: FULL,
        exceptions.ReadOnlyError: READ_ONLY,
        exceptions.MasterDownError: READ_ONLY,
        exceptions.AskError: CLUSTER,  # also the base class of MovedError
        exceptions.ClusterDownError: CLUSTER,
        exceptions.ClusterCrossSlotError: CLUSTER,
        exceptions.NoPermissionError: NO_PERMISSION,
        exceptions.AuthenticationError: NOT_SIGNED_IN,
        exceptions.AuthenticationWrongNumberOfArgsError: NOT_SIGNED_IN,
        exceptions.BusyLoadingError: LOADING,
    }


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
