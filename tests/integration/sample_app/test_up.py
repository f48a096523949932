"""``flask --app sample_app up`` as a newcomer runs it, without a model of their own."""

from __future__ import annotations

import functools
import json
import signal
import typing as t
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.servers.processes import wait_until
from support.servers.sample_command import sample_commands
from support.servers.sample_command import SampleCommand

StartUp = t.Callable[..., SampleCommand]
ENTERED = {"Sec-Fetch-Site": "none"}


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[StartUp]:
    with sample_commands(tmp_path) as start:
        yield functools.partial(start, "up")


def test_a_click_on_a_fresh_machine_runs_a_crew_until_ctrl_c(start_up: StartUp) -> None:
    up = start_up("--pace", "0")
    up.wait_for("/sign-in?token=")
    with httpx.Client(trust_env=False, follow_redirects=True, timeout=20) as people:
        start = people.get(up.link(), headers=ENTERED)
        assert "a scripted one answers" in start.text
        page = people.post(start.url.join("/start/market_report"))
        id = page.url.path.rpartition("/")[2]
        read = functools.partial(people.get, page.url.join(f"/crewexec/executions/{id}"))
        wait_until(lambda: read().json()["finished_at"], what="the crew to end")
        execution = read().json()
    assert execution["status"] == "completed", json.dumps(execution)
    assert execution["attempt"] == 2
    assert execution["result"]["raw"].startswith("# Market day")
    up.process.send_signal(signal.SIGINT)
    assert up.end() == 0, up.text()
    assert up.left_behind() == []


def test_stopping_before_it_is_ready_leaves_nothing(start_up: StartUp) -> None:
    up = start_up()
    up.wait_for("Broker")
    up.process.send_signal(signal.SIGTERM)
    assert up.end() == 128 + signal.SIGTERM, up.text()
    assert up.left_behind() == []
