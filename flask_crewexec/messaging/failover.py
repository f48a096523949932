"""Connections that leave a server which has become a replica.

After a failover behind one address, such as a DNS name, the server that was the primary may live on
as a read-only replica and keep its clients. A new connection to the same address reaches the new
primary.
"""

from __future__ import annotations

import typing as t

from redis import Connection
from redis import exceptions
from redis import SSLConnection
from redis.backoff import NoBackoff
from redis.retry import Retry

_OF_A_REPLICA: t.Final = (exceptions.ReadOnlyError, exceptions.MasterDownError)
_IN_A_TEXT: t.Final = ("UNBLOCKED", "-READONLY")
"""The same for a command that waited, and for a script on Redis 6.2: redis-py has no classes."""


class Demoted(exceptions.ConnectionError):
    """The server has become a replica; it has refused the command."""


class _LeavesReplicas:
    """Mixed into a connection of redis-py: closes itself if its server is only a replica.

    The command is sent once more, over a new connection: nothing was done, so nothing is done
    twice. Like other errors of connections, this makes workers connect again.
    """

    retry: Retry

    def __init__(self, **options: t.Any) -> None:
        super().__init__(**options)
        if self.retry.get_retries():  # the host has chosen to repeat commands
            self.retry.update_supported_errors((Demoted,))
        else:
            self.retry = Retry(NoBackoff(), 1, (Demoted,))

    def read_response(self, *args: t.Any, **options: t.Any) -> t.Any:
        """Read an answer.

        :raises Demoted: if this server is a replica; the next command opens a new connection.
        """
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except exceptions.ResponseError as error:
            if not _is_of_a_replica(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise Demoted(f"The server is a replica: {error}") from error


class SingleConnection(_LeavesReplicas, Connection):
    """A connection to the primary at an address."""


class SingleSSLConnection(_LeavesReplicas, SSLConnection):
    """The same over TLS."""


def _is_of_a_replica(error: exceptions.ResponseError) -> bool:
    return isinstance(error, _OF_A_REPLICA) or any(text in str(error) for text in _IN_A_TEXT)
