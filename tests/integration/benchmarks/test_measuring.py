"""What measures works; how fast anything is, is not tested."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks import __main__ as command
from benchmarks.contenders import Contender
from benchmarks.contenders import ModelProcess
from benchmarks.contenders import Ring
from benchmarks.contenders import ring
from benchmarks.figures import alternate
from benchmarks.figures import Figure
from benchmarks.figures import Profile
from benchmarks.figures import Target
from benchmarks.footprint import Footprint
from benchmarks.footprint import frozen
from benchmarks.footprint import on_all_cores
from benchmarks.report import table
from benchmarks.running import Direct
from benchmarks.workload import definition
from benchmarks.workload import document
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until

THREE_TIMES = Figure(
    "orders", "orders/s", [590.0, 600.0, 9000.0], [200.0], "by hand", Target(3.0, "higher")
)
CALL = {"messages": [{"role": "user", "content": "Tell about crew-1f."}]}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    with ring(tmp_path_factory.mktemp("ring")) as services:
        yield services


class TestFigures:
    def test_medians_are_compared(self) -> None:
        assert THREE_TIMES.ratio == 3.0

    @pytest.mark.parametrize(
        ("target", "reached"),
        [
            (Target(3.0, "higher"), True),
            (Target(3.1, "higher"), False),
            (Target(3.0, "lower"), True),
            (Target(2.9, "lower"), False),
            (Target(600.0, "higher", of="ours"), True),
            (Target(599.0, "lower", of="ours"), False),
        ],
    )
    def test_a_target_is_a_bound(self, target: Target, reached: bool) -> None:
        figure = Figure("orders", "orders/s", [600.0], [200.0], "by hand", target)

        assert figure.reached is reached

    def test_without_a_target_nothing_is_judged(self) -> None:
        assert Figure("orders", "orders/s", [1.0], [1.0], "by hand").reached is None

    def test_neither_is_always_behind_the_other(self) -> None:
        order: list[str] = []

        def measured(name: str) -> int:
            order.append(name)
            return len(order)

        results = alternate(3, lambda: measured("ours"), lambda: measured("reference"))

        assert order == ["ours", "reference", "reference", "ours", "ours", "reference"]
        assert results == ([1, 4, 5], [2, 3, 6])


class TestReports:
    def test_the_table_names_ours_reference_and_ratio(self) -> None:
        missed = Figure("rest", "ms", [2.0], [1.0], "idle", Target(0.5, "lower"), "On a Sunday.")

        lines = [" ".join(line.split()) for line in table([THREE_TIMES, missed]).splitlines()]

        assert lines[2] == "orders 600 orders/s 200 orders/s (by hand) 3 ≥ 3 x yes"
        assert lines[3] == "rest 2 ms 1 ms (idle) 2 ≤ 0.5 x NO"
        assert lines[-1] == "rest: On a Sunday."

    def test_what_fails_hides_nothing(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def fine(profile: Profile) -> list[Figure]:
            assert not list(profile.folder.iterdir())
            assert profile.pick("quick", "full") == "full"
            return [THREE_TIMES]

        def broken(profile: Profile) -> list[Figure]:
            raise RuntimeError("no server today")

        for measure in (broken, fine):
            module = types.SimpleNamespace(measure=measure)
            monkeypatch.setitem(sys.modules, f"benchmarks.{measure.__name__}", module)
        monkeypatch.setattr(command, "MODULES", ("broken", "fine"))

        status = command.main(["--full", "--output", str(tmp_path)])

        assert status == 1
        printed = capsys.readouterr().out
        assert "by hand" in printed
        assert "no server today" in printed
        written = json.loads((tmp_path / "figures.json").read_text())
        assert written["profile"] == "full"
        assert written["machine"]["cpus"] >= 1
        (figure,) = written["figures"]
        assert figure["ours"] == [590.0, 600.0, 9000.0]
        assert figure["reached"] is True
        assert list(written["failed"]) == ["broken"]
        assert (tmp_path / "throughput.png").read_bytes().startswith(b"\x89PNG")
        assert not (tmp_path / "latency.png").exists()

    def test_a_missed_target_is_no_failure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        missed = Figure("rest", "ms", [2.0], [1.0], "idle", Target(0.5, "lower"))
        module = types.SimpleNamespace(measure=lambda profile: [missed])
        monkeypatch.setitem(sys.modules, "benchmarks.slow", module)
        monkeypatch.setattr(command, "MODULES", ("slow",))

        assert command.main(["--only", "slow", "--output", str(tmp_path)]) == 0
        assert (tmp_path / "latency.png").exists()


class TestModel:
    def test_calls_are_answered_and_counted(self, services: Ring) -> None:
        services.model.reset()

        answer = httpx.post(f"{services.model.url}/chat/completions", json=CALL)

        assert "Final Answer" in answer.json()["choices"][0]["message"]["content"]
        calls = services.model.calls()
        assert (calls["calls"], calls["in_flight"], calls["most_in_flight"]) == (1, 0, 1)
        assert list(calls["first_calls"]) == ["crew-1f"]

    def test_calls_wait_in_parallel(self, tmp_path: Path) -> None:
        with ModelProcess(tmp_path) as model, contextlib.ExitStack() as connections:
            model.reset(latency=60.0)
            for _ in range(20):
                connection = http.client.HTTPConnection("127.0.0.1", model.port)
                connections.callback(connection.close)
                connection.request("POST", "/v1/chat/completions", json.dumps(CALL))
            wait_until(lambda: model.calls()["most_in_flight"] == 20, what="the calls")

            assert model.calls()["in_flight"] == 20

    def test_its_memory_and_time_are_seen(self, services: Ring) -> None:
        with Footprint([services.model]) as footprint:
            used = psutil.Process(services.model.pid).cpu_times()
            wait_until(
                lambda: (
                    services.model.calls()
                    and psutil.Process(services.model.pid).cpu_times().user > used.user
                ),
                what="some CPU time",
            )

        assert footprint.cpu_seconds > 0.0
        assert footprint.peak_mb >= footprint.start_mb > 1.0

    def test_it_can_be_kept_from_working(self, services: Ring) -> None:
        process = psutil.Process(services.model.pid)
        with frozen([services.model]):
            assert process.status() == psutil.STATUS_STOPPED
        assert services.model.is_ready()

    def test_it_forgets(self, services: Ring) -> None:
        services.model.reset()

        assert services.model.calls()["calls"] == 0


class Pinned(ServerProcess):
    """Stays on one core, and starts a thread at each SIGUSR1."""

    CODE = """
import os, signal, threading
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
start = lambda *_: threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.signal(signal.SIGUSR1, start)
start()
print("ready", flush=True)
while True:
    signal.pause()
"""

    def __init__(self, folder: Path) -> None:
        super().__init__([sys.executable, "-c", self.CODE], log=folder / "pinned.log")

    def is_ready(self) -> bool:
        return "ready" in self.log_text()

    def cores(self) -> list[set[int]]:
        """Return on which cores each thread may run."""
        threads = psutil.Process(self.pid).threads()
        return [os.sched_getaffinity(thread.id) for thread in threads]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is only one core")
def test_a_process_may_use_all_cores_for_a_while(tmp_path: Path) -> None:
    all_cores = os.sched_getaffinity(0)
    with Pinned(tmp_path) as process:
        before = process.cores()
        with on_all_cores(process):
            process.kill(signal.SIGUSR1)
            wait_until(lambda: process.cores() == [all_cores] * 3, what="another thread")
        assert before == [{min(all_cores)}] * 2
        assert process.cores() == [{min(all_cores)}] * 3


class TestContenders:
    @pytest.mark.parametrize("name", ["ours", "plain"])
    def test_a_crew_runs_from_end_to_end(self, services: Ring, name: str) -> None:
        contender: Contender = getattr(services, name)
        services.model.reset()

        with (
            contender.web() as web,
            contender.client(web) as client,
            contender.worker(pool="threads", concurrency=2),
        ):
            topic = client.queue(client.graph(tasks=2))
            contender.wait_for(1)

        assert contender.finished().number == 1
        calls = services.model.calls()
        assert calls["calls"] == 2
        assert list(calls["first_calls"]) == [topic]

    def test_crews_run_without_a_service(self, services: Ring, tmp_path: Path) -> None:
        services.model.reset()

        with Direct(services.model.url, str(tmp_path)) as direct:
            direct.crews_per_second(3, tasks=2)

        calls = services.model.calls()
        assert calls["calls"] == 6
        assert len(calls["first_calls"]) == 3

    def test_the_plain_service_shows_what_became_of_an_order(self, services: Ring) -> None:
        headers = {"X-User": "grace"}
        with services.plain.web() as web, httpx.Client(base_url=web.url, headers=headers) as http:
            graph = http.post("/graphs", json=definition(1)).json()["id"]
            refused = http.post("/executions", json={"graph_id": graph, "priority": 11})
            queued = http.post("/executions", json={"graph_id": graph}).json()
            shown = http.get(f"/executions/{queued['id']}").json()
            listed = http.get("/executions").json()

        assert refused.status_code == 422
        assert shown["status"] == "queued"
        assert [each["id"] for each in listed["executions"]] == [queued["id"]]


def test_both_services_get_the_same_crew() -> None:
    plain, ours = definition(3), document(3)
    of_ours = {node["id"]: node["data"] for node in ours["nodes"]}

    assert {name: of_ours[name] for name in plain["agents"]} == plain["agents"]
    for task in plain["tasks"]:
        data = of_ours[task["name"]]
        assert (data["description"], data["expected_output"]) == (
            task["description"],
            task["expected_output"],
        )
        assert {"source": task["agent"], "target": task["name"]} in ours["edges"]
