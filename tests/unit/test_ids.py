"""Ids are unique in each process, whatever the host and its server do."""

from __future__ import annotations

import random
import subprocess
import sys

from flask_crewexec.ids import unique_id

FORK = """
import os
from flask_crewexec.ids import unique_id

unique_id()


def tell() -> int:
    os.write(1, f"{unique_id()} ".encode())
    os._exit(0)


children = [os.fork() or tell() for _ in range(2)]
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


def test_forked_processes_do_not_repeat_those_of_others():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 3
