"""A Redis Cluster of three primaries and three replicas."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.crc import key_slot

from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess
from support.servers.redis_servers import RedisServer

PASSWORD = "for-the-cluster"
SLOT = key_slot(b"{crewexec}:")
"""Where all our keys are."""
_RANGES = ((0, 5460), (5461, 10922), (10923, 16383))


class RedisCluster:
    """Its nodes are started on entering; each can be killed and started again."""

    def __init__(self, folder: Path, server: RedisServer) -> None:
        self.nodes = [
            RedisProcess(folder / f"node{number}", server, password=PASSWORD, cluster=True)
            for number in range(6)
        ]

    def __enter__(self) -> t.Self:
        with contextlib.ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            self._form()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """A URL with some of the nodes, of which the first has none of our keys."""
        known = [node for node in self.nodes if node is not self.primary()][:3]
        addresses = ",".join(f"127.0.0.1:{node.port}" for node in known)
        return f"redis+cluster://:{PASSWORD}@{addresses}/0"

    def primary(self) -> RedisProcess:
        """The node that has our keys."""
        return next(node for node in self.nodes if node.running and self._has_slot(node))

    def replica(self) -> RedisProcess:
        """The node that would take over our keys."""
        primary = self._id(self.primary())
        return next(node for node in self.nodes if self._myself(node)["master_id"] == primary)

    def kill_primary(self) -> None:
        """Kill the primary of our keys, and wait until its replica has taken over."""
        replica = self.replica()
        self.primary().kill()
        wait_until(lambda: self._has_slot(replica), what="the failover")

    def fail_over(self) -> None:
        """Make the replica of our keys their primary, as operators do."""
        replica = self.replica()
        with replica.client() as client:
            client.execute_command("CLUSTER FAILOVER")
        wait_until(lambda: self._has_slot(replica), what="the failover")

    def move_slot(self) -> None:
        """Move our slot, with all keys, to another primary."""
        source = self.primary()
        target = next(
            node for node in self.nodes if node is not source and self._myself(node)["slots"]
        )
        ids = self._id(source), self._id(target)
        with source.client() as old, target.client() as new:
            new.execute_command("CLUSTER SETSLOT", SLOT, "IMPORTING", ids[0])
            old.execute_command("CLUSTER SETSLOT", SLOT, "MIGRATING", ids[1])
            while keys := old.execute_command("CLUSTER GETKEYSINSLOT", SLOT, 100):
                options = ("", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys)
                old.execute_command("MIGRATE", "127.0.0.1", target.port, *options)
            for client in (new, old):
                client.execute_command("CLUSTER SETSLOT", SLOT, "NODE", ids[1])

    def heal(self) -> None:
        """Start what was killed, and wait until all nodes agree; remove all messages."""
        for node in self.nodes:
            if not node.running:
                node.start()
        wait_until(self._is_healthy, what="a healthy cluster")
        with self.primary().client() as client:
            keys = client.execute_command("CLUSTER GETKEYSINSLOT", SLOT, 10_000)
            # kombu remembers which bindings it has made, so these must stay.
            if stale := [key for key in keys if "_kombu" not in key]:
                client.delete(*stale)

    def all_keys(self) -> set[str]:
        """All keys of all nodes."""
        found: set[str] = set()
        for node in self.nodes:
            if node.running:
                with node.client() as client:
                    found.update(client.scan_iter())
        return found

    def _form(self) -> None:
        for node, slots in zip(self.nodes[:3], _RANGES, strict=True):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", *slots)
        with self.nodes[0].client() as client:
            for node in self.nodes[1:]:
                client.execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.cluster_port)
        wait_until(self._all_know_all, what="the nodes to meet")
        for primary, replica in zip(self.nodes[:3], self.nodes[3:], strict=True):
            with replica.client() as client:
                client.execute_command("CLUSTER REPLICATE", self._id(primary))
        wait_until(self._is_healthy, what="a healthy cluster")

    def _all_know_all(self) -> bool:
        return all(len(view) == len(self.nodes) for view in self._views())

    def _is_healthy(self) -> bool:
        """Whether all nodes agree on the primary of our keys, and every replica is in step."""
        views = list(self._views())
        known = all(len(view) == len(self.nodes) for view in views)
        failing = any("fail" in each["flags"] for view in views for each in view.values())
        owners = {address for view in views for address, each in view.items() if _has_slot(each)}
        return known and not failing and len(owners) == 1 and self._replicas_follow()

    def _replicas_follow(self) -> bool:
        for node in self.nodes:
            with node.client() as client:
                if client.info("replication").get("master_link_status", "up") != "up":
                    return False
                if client.cluster("info")["cluster_state"] != "ok":
                    return False
        return True

    def _views(self) -> Iterator[dict[str, t.Any]]:
        for node in self.nodes:
            with node.client() as client:
                yield client.cluster("nodes")

    def _myself(self, node: RedisProcess) -> dict[str, t.Any]:
        try:
            with node.client() as client:
                view = client.cluster("nodes")
        except redis.RedisError:
            return {"slots": [], "flags": "", "master_id": None}
        return next(each for each in view.values() if "myself" in each["flags"])

    def _id(self, node: RedisProcess) -> str:
        return str(self._myself(node)["node_id"])

    def _has_slot(self, node: RedisProcess) -> bool:
        return _has_slot(self._myself(node))


def _has_slot(node: dict[str, t.Any]) -> bool:
    return any(int(slots[0]) <= SLOT <= int(slots[-1]) for slots in node["slots"])
