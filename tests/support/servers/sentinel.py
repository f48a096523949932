"""A Redis Sentinel, which watches over a server and its replicas."""

from __future__ import annotations

from pathlib import Path

import redis

from support.servers.processes import free_port
from support.servers.processes import ServerProcess
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import RedisServer

MASTER_NAME = "crews"
PASSWORD = "for-sentinel-only"


class SentinelProcess(ServerProcess):
    """The only Sentinel of a server; it decides alone, within a second."""

    def __init__(self, folder: Path, server: RedisServer, master: RedisProcess) -> None:
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "sentinel.conf"
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {PASSWORD}",
            f"sentinel monitor {MASTER_NAME} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {MASTER_NAME} 500",
            f"sentinel failover-timeout {MASTER_NAME} 5000",
        ]
        if master.password:
            lines.append(f"sentinel auth-pass {MASTER_NAME} {master.password}")
        configuration.write_text("\n".join(lines) + "\n")
        super().__init__(
            [str(server.binary), str(configuration), "--sentinel"],
            log=folder / "sentinel.log",
            cwd=folder,
            environment=server.environment,
        )

    def is_ready(self) -> bool:
        with self._client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def knows_replica(self, replica: RedisProcess) -> bool:
        """Whether it could promote *replica*."""
        with self._client() as client:
            replicas = client.sentinel_slaves(MASTER_NAME)
        return any(
            each["port"] == replica.port and each["master-link-status"] == "ok" for each in replicas
        )

    def master_port(self) -> int:
        with self._client() as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER_NAME)[1])

    def _client(self) -> redis.Redis:
        return redis.Redis(
            port=self.port, password=PASSWORD, decode_responses=True, socket_timeout=5.0
        )
