"""Ids are unique in each process, whatever the host and its server do."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from flask_crewexec.ids import unique_id

FORK = """
import ctypes
import os
import sys
from flask_crewexec.ids import unique_id

unique_id()


def tell() -> int:
    os.write(1, f"{unique_id()} ".encode())
    os._exit(0)


# uWSGI forks in C, where Python's hooks are not called.
fork = {"python": os.fork, "c": ctypes.PyDLL(None).fork}[sys.argv[1]]
children = [fork() or tell() for _ in range(2)]
for child in children:
    os.waitpid(child, 0)
print(unique_id())
"""


def test_a_host_that_seeds_random_numbers_does_not_repeat_them():
    ids = set()
    for _ in range(3):
        random.seed(1)
        ids.add(unique_id())
    assert len(ids) == 3
    assert {id.version for id in ids} == {4}


@pytest.mark.parametrize("fork", ["python", "c"])
def test_forked_processes_do_not_repeat_those_of_others(fork):
    command = [sys.executable, "-c", FORK, fork]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 3
