"""What a broker may do instead of its work; each takes the server and returns at once."""

from __future__ import annotations

from support.servers.processes import wait_until
from support.servers.redis_process import RedisProcess


def stop(redis_process: RedisProcess) -> None:
    redis_process.stop()


def stall(redis_process: RedisProcess) -> None:
    redis_process.suspend()


def fill(redis_process: RedisProcess) -> None:
    with redis_process.client() as client:
        client.config_set("maxmemory", 1)


def empty(redis_process: RedisProcess) -> None:
    """Undo `fill`."""
    with redis_process.client() as client:
        client.config_set("maxmemory", 0)


def make_read_only(redis_process: RedisProcess) -> None:
    """Demote the server to a replica, of a server that is not there."""
    with redis_process.client() as client:
        client.replicaof("127.0.0.1", 9)


def promote(redis_process: RedisProcess) -> None:
    """Undo `make_read_only`."""
    with redis_process.client() as client:
        client.replicaof("NO", "ONE")


def fail_to_save(redis_process: RedisProcess) -> None:
    """Let the server find that it cannot write its file, after which it refuses to write."""
    obstacle = redis_process.folder / "dump.rdb"
    obstacle.mkdir()
    with redis_process.client() as client:
        client.config_set("save", "3600 1")
        client.bgsave()
        wait_until(
            lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err",
            what="the failure to save",
        )
    obstacle.rmdir()  # otherwise the server could not save and stop; until then nothing changes


def forbid(redis_process: RedisProcess) -> None:
    """Take rights from the user, also on connections that are open."""
    with redis_process.client() as client:
        client.acl_setuser("default", enabled=True, commands=["-lpush", "-set"])


FAULTS = [stop, stall, fill, make_read_only]
