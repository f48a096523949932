"""What a broker may do instead of its work; each takes the server and returns at once."""

from __future__ import annotations

from support.servers.redis_process import RedisProcess


def stop(redis_process: RedisProcess) -> None:
    redis_process.stop()


def stall(redis_process: RedisProcess) -> None:
    redis_process.suspend()


def fill(redis_process: RedisProcess) -> None:
    with redis_process.client() as client:
        client.config_set("maxmemory", 1)


def make_read_only(redis_process: RedisProcess) -> None:
    with redis_process.client() as client:
        client.replicaof("127.0.0.1", 9)


FAULTS = [stop, stall, fill, make_read_only]
