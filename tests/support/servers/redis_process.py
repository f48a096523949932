"""A Redis-compatible server for one test."""

from __future__ import annotations

from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flask_crewexec.messaging.event_publisher import CHANNEL_PREFIX
from support.servers.processes import free_port
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until
from support.servers.redis_servers import RedisServer


class RedisProcess(ServerProcess):
    """Keeps its port and its folder when it is restarted; with ``appendonly`` its data, too.

    :param cluster: be a node of a Redis Cluster, which notices within a second when another fails.
    """

    def __init__(
        self,
        folder: Path,
        server: RedisServer,
        *,
        appendonly: bool = False,
        password: str | None = None,
        cluster: bool = False,
    ) -> None:
        self.port = free_port()
        self.cluster_port = free_port()
        self.password = password
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "redis.conf"
        configuration.write_text(self._configuration(appendonly, cluster))
        super().__init__(
            [str(server.binary), str(configuration)],
            log=folder / "redis.log",
            cwd=folder,
            environment=server.environment,
        )

    @property
    def url(self) -> str:
        credentials = f":{self.password}@" if self.password else ""
        return f"redis://{credentials}127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A connection that reports every failure at once. To be closed by the caller."""
        return redis.Redis.from_url(
            self.url, decode_responses=True, socket_timeout=5.0, retry=Retry(NoBackoff(), 0)
        )

    def is_ready(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping()) and client.info("server")["process_id"] == self.pid
            except redis.RedisError:
                return False

    def wait_for_subscriber(self, execution_id: str) -> None:
        """Wait until tokens of an execution would be received.

        Events that are stored already are shown before that.
        """
        channel = f"{CHANNEL_PREFIX}{execution_id}"
        with self.client() as client:
            wait_until(lambda: client.pubsub_numsub(channel)[0][1], what="a subscription")

    def _configuration(self, appendonly: bool, cluster: bool) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            'save ""',
            f"appendonly {'yes' if appendonly else 'no'}",
            "appendfsync always",
            "maxmemory-policy noeviction",
            f"cluster-enabled {'yes' if cluster else 'no'}",
        ]
        if cluster:
            lines += [
                f"cluster-port {self.cluster_port}",
                "cluster-node-timeout 1000",
                "cluster-replica-validity-factor 0",
            ]
        if self.password:
            lines += [f"requirepass {self.password}", f"masterauth {self.password}"]
        return "\n".join(lines) + "\n"
