"""All requests that are measured are answered; how fast is not tested."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import httpx
import pytest

from benchmarks import polling
from benchmarks import queueing
from benchmarks.contenders import Plain


def test_every_submission_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "USERS", 2)
    monkeypatch.setattr(queueing, "MANY", 30)
    with contextlib.ExitStack() as stack:
        loads = {load.name: load for load in queueing.loads_of(stack, tmp_path)}
        measured = [load.measure(4) for load in loads.values()]
        lists = {
            name: _get(loads[name].port, "/crewexec/executions")["executions"]
            for name in (queueing.Ended.name, queueing.Busy.name, queueing.Backlog.name)
        }
        on_hold = _get(loads[queueing.Backlog.name].port, "/crewexec/queues")["on_hold"]

    assert all(each.per_second > 0 for each in measured)
    assert {Plain.name, queueing.FLOOR_NAME, queueing.EMPTY_NAME} <= loads.keys()
    statuses = {name: [each["status"] for each in found] for name, found in lists.items()}
    assert statuses[queueing.Backlog.name] == ["queued"] * 6
    assert statuses[queueing.Ended.name].count("completed") == queueing.MANY
    assert statuses[queueing.Busy.name].count("running") == queueing.MANY
    assert on_hold["5"] == 4


def test_executions_that_wait_and_that_have_completed_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "MANY", 30)
    monkeypatch.setattr(polling, "CHOSEN", 3)
    with contextlib.ExitStack() as stack:
        loads = {load.name: load for load in polling.loads_of(stack, tmp_path)}
        assert all(load.measure(4).per_second > 0 for load in loads.values())
        for name in ("queued, 10", "completed, 30"):
            shown = _get(loads[name].port, loads[name].requests[0].split()[1].decode())
            assert shown["status"] == name.partition(",")[0]


def _get(port: int, path: str) -> t.Any:
    """Return what an administrator is shown."""
    url = f"http://127.0.0.1:{port}{path}"
    return httpx.get(url, headers={"X-User": "admin"}, timeout=30).raise_for_status().json()
