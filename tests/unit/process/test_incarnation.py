"""Telling whether the process of a lease still lives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_crewexec.process import incarnation
from flask_crewexec.process.incarnation import Incarnation
from support.paths import ROOT
from support.servers.processes import wait_until

REPORT = "from flask_crewexec.process import incarnation; print(incarnation.current(), flush=True)"
REPORT_AND_WAIT = f"{REPORT}; input()"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that prints its incarnation and waits, with the name of an ended one."""
    program = tmp_path / "a) Z 1 (b"  # as a process may be called in /proc/…/stat
    program.symlink_to(sys.executable)
    with subprocess.Popen(
        [sys.executable, "-c", REPORT_AND_WAIT],
        executable=program,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def reported(process: subprocess.Popen[str]) -> Incarnation:
    assert process.stdout is not None
    return Incarnation.parse(process.stdout.readline().rstrip("\n"))


def test_a_process_has_ended_from_its_death_on(process):
    found = reported(process)
    assert found.pid == process.pid
    assert not found.has_ended()
    process.kill()
    state = Path(f"/proc/{process.pid}/stat")
    wait_until(lambda: state.read_text().rpartition(") ")[2].startswith("Z"), what="its death")
    assert found.has_ended()  # though nobody has waited for it
    process.wait(30)
    assert found.has_ended()


def test_another_process_with_the_same_pid_is_another_incarnation(process):
    found = reported(process)
    assert found._replace(start=found.start - 1).has_ended()


def test_processes_of_one_boot_and_namespace_are_on_the_same_machine(process):
    this = incarnation.current()
    assert this is not None
    assert reported(process).machine == this.machine


def test_a_forked_process_does_not_take_over_its_parents():
    before = incarnation.current()
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writer, str(incarnation.current()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    child = Incarnation.parse(os.read(reader, 1000).decode())
    os.close(reader)
    os.close(writer)
    assert child.pid == pid
    assert child.has_ended()
    assert incarnation.current() == before
    assert before is not None
    assert not before.has_ended()


def test_the_text_is_read_back():
    this = Incarnation("host/boot/4026531836", 7, 4711)
    assert str(this) == "host/boot/4026531836/7/4711"
    assert Incarnation.parse(str(this)) == this
