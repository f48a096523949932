"""What the pages for developers of applications show: keys of users, chains, schedules."""

from __future__ import annotations

import json
import sys
import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from flask_crewexec import AsyncExecutionService
from flask_crewexec import GraphService
from flask_crewexec import Notification
from flask_crewexec.testing import ScriptedModel
from support.api_client import Api
from support.deliveries import deliver
from support.doc_examples import Example
from support.doc_examples import snippets_of
from support.doc_examples import write_files
from support.graphs import documents
from support.in_process import at_once
from support.in_process import close_connections
from support.in_process import run
from support.paths import ROOT
from support.servers.processes import ServerProcess
from support.servers.processes import wait_until

pytestmark = pytest.mark.sqlite_enough

Namespace = dict[str, t.Any]

HOWTO: t.Final = ROOT / "docs/howto"
READ: t.Final = documents.crew(
    [documents.agent("reader"), documents.task("read", "Read this: {text}")], ["reader read"]
)
MODEL: t.Final = "model_of_the_tests"
EDGES: t.Final = ["clerk look", f"{MODEL} clerk"]


class TestKeysOfUsers:
    @pytest.fixture
    def model(self) -> Iterator[ScriptedModel]:
        """The provider, where Ada has an account."""
        with ScriptedModel("sk-of-ada-herself") as model:
            yield model

    @pytest.fixture
    def page(
        self,
        execute: Callable[[Example], Namespace],
        model: ScriptedModel,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Namespace:
        """The names of the page, with the provider of this test."""
        monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-host")
        names: Namespace = {}
        for example in snippets_of(HOWTO / "user-keys.rst"):
            text = example.text.replace("api_key=", f"base_url={model.base_url!r}, api_key=")
            names = execute(example._replace(text=text))
        names["db"].create_all()
        return names

    @staticmethod
    def run_with(model: str, user_id: str) -> dict[str, t.Any]:
        """Run a crew with a model, and return its status."""
        document = documents.chain("a", model=model)
        graph_id = GraphService().create(document, user_id).graph.id
        service = AsyncExecutionService().for_user(user_id)
        execution_id = service.queue_execution(graph_id)
        run(execution_id)
        return service.get_task_status(execution_id)

    @pytest.mark.parametrize("name", ["gpt_own", "default"])
    def test_a_user_pays_with_their_key(self, page: Namespace, name: str) -> None:
        page["store_key"]("ada", "openai", " sk-of-ada-herself\n")
        assert self.run_with(name, "ada")["status"] == "completed"
        stored = page["db"].session.get(page["ModelKey"], ("ada", "openai"))
        assert b"sk-of-ada" not in stored.encrypted
        assert page["tokens_per_day"]("ada") is None

    def test_others_use_the_hosts_key_or_none(self, page: Namespace, model: ScriptedModel) -> None:
        assert self.run_with("gpt_own", "bob")["error"]["code"] == "secret-missing"
        assert not model.calls
        assert self.run_with("default", "bob")["error"]["code"] == "model-refused-key"
        assert page["tokens_per_day"]("bob") == 50_000

    def test_a_key_is_replaced_while_older_ones_still_decrypt(
        self, page: Namespace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page["store_key"]("ada", "openai", "sk-old")
        page["store_key"]("ada", "openai", "sk-new")
        older = page["os"].environ["ENCRYPTION_KEYS"]
        monkeypatch.setenv("ENCRYPTION_KEYS", f"{Fernet.generate_key().decode()} {older}")
        assert page["find_secret"]("openai", "ada") == "sk-new"
        assert page["find_secret"]("openai", "bob") is None


class TestOwnCrews:
    @pytest.fixture
    def page(self, execute: Callable[[Example], Namespace], tmp_path: Path) -> Namespace:
        """The names of the page, with the crew 'complaint'."""
        names: Namespace = {}
        for example in snippets_of(HOWTO / "own-crews.rst"):
            names = execute(example)
        names["CREWS"] = tmp_path
        self.change(names, "Look up order {order}")
        names["db"].create_all()
        return names

    @staticmethod
    def change(page: Namespace, description: str) -> None:
        nodes = [documents.agent("clerk"), documents.task("look", description)]
        document = documents.crew([*nodes, documents.named(MODEL, "llm")], EDGES)
        (page["CREWS"] / "complaint.json").write_text(json.dumps(document))

    def test_each_user_has_one_copy_which_follows_the_file(self, page: Namespace) -> None:
        mine, yours = (page["crew_of"](user, "complaint") for user in ("ada", "bob"))
        assert mine != yours
        first = page["queue_complaint"]("ada", 7)
        self.change(page, "Look for order {order}")
        second = page["queue_complaint"]("ada", 7)
        service = AsyncExecutionService().for_user("ada")
        versions = [service.get_task_status(id)["graph_version"] for id in (first, second)]
        assert versions == [1, 2]
        assert page["crew_of"]("ada", "complaint") == mine

    def test_requests_at_the_same_time_leave_one_copy(self, page: Namespace) -> None:
        ids = at_once(page["app"], *4 * [lambda: page["crew_of"]("eve", "complaint")])
        assert len(set(ids)) == 1
        assert [graph.id for graph in GraphService().for_user("eve").list()] == ids[:1]


class TestChains:
    @pytest.fixture
    def page(self, app: Flask) -> Namespace:
        """The names of the page, whose handlers are those of the host."""
        names: Namespace = {"crewexec": app.extensions["crewexec_host"]}
        for example in snippets_of(HOWTO / "chains.rst"):
            exec(example.text, names)  # noqa: S102  # it is ours
        return names

    @pytest.fixture
    def told(self, page: Namespace) -> list[Notification]:
        """What the handlers of the page were told."""
        told: list[Notification] = []

        @page["crewexec"].on("execution.completed")
        def remember(notification: Notification) -> None:
            told.append(notification)

        return told

    def test_the_next_crew_is_queued_once_with_the_result(
        self, api: Api, model: ScriptedModel, page: Namespace, told: list[Notification]
    ) -> None:
        model.on("Do a", "Bees dance.")
        first, second = api.graph(documents.chain("a")), api.graph(READ)
        page["NEXT"][first] = second
        id = api("POST", "/executions", json={"graph_id": first, "thread_id": "bees"}).json["id"]
        assert run(id) == "completed"
        deliver()
        page["queue_next"](told[0])  # once more, as after a crash
        (following,) = api("GET", f"/executions?graph_id={second}").json["executions"]
        assert following["thread_id"] == "bees"
        assert api.status(following["id"])["inputs"] == {"text": "Bees dance."}
        assert run(following["id"]) == "completed"
        deliver()
        assert len(api("GET", "/executions").json["executions"]) == 2

    def test_one_crew_follows_when_all_are_complete(
        self, api: Api, model: ScriptedModel, page: Namespace, told: list[Notification]
    ) -> None:
        model.on("Do a", "Bees dance.")
        page["PART"], page["SUMMARY"] = api.graph(documents.chain("a")), api.graph(READ)
        order = {"graph_id": page["PART"], "thread_id": "bees"}
        ids = [api("POST", "/executions", json=order).json["id"] for _ in range(3)]
        summaries = f"/executions?graph_id={page['SUMMARY']}"
        for id in ids:
            assert api("GET", summaries).json["executions"] == []
            run(id)
            deliver()
        for notification in told:  # each finds that it is the last
            page["queue_summary"](notification)
        (summary,) = api("GET", summaries).json["executions"]
        assert api.status(summary["id"])["inputs"] == {"text": "\n\n".join(3 * ["Bees dance."])}


class Worker(ServerProcess):
    """A worker of the page's application, whose beat sends the task all the time."""

    start_seconds = 60.0

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "flask", "--app", "daily", "crewexec", "worker"]
        command += ["--beat", "--loglevel=info", "--concurrency=1", "--queues=cleanup"]
        super().__init__(command, log=folder / "log", cwd=folder, environment=environment)

    def is_ready(self) -> bool:
        return " ready." in self.log_text()

    def has_run_the_task(self, times: int) -> bool:
        lines = [line for line in self.log_text().splitlines() if "daily.queue_reports" in line]
        return sum(" succeeded in " in line for line in lines) >= times


class TestSchedules:
    @pytest.fixture
    def reports(
        self, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[t.Any]:
        """The module of the page, with its tables."""
        write_files(HOWTO / "schedules.rst", tmp_path)
        file = tmp_path / "daily.py"
        assert 'crontab(minute="*/10")' in file.read_text()
        file.write_text(file.read_text().replace('crontab(minute="*/10")', "0.3"))
        environment |= {"SECRET_KEY": "secret", "OPENAI_API_KEY": "sk-any"}
        environment |= {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.syspath_prepend(tmp_path)
        import daily  # type: ignore[import-not-found]

        with daily.create_app().app_context():
            daily.db.create_all()
            yield daily
            daily.db.session.remove()
            close_connections(daily.db.engine)
        del sys.modules["daily"]

    def test_one_execution_is_queued_for_each_day(
        self, reports: t.Any, environment: dict[str, str], tmp_path: Path
    ) -> None:
        graph_id = GraphService().for_user("ada").create(documents.ONE_TASK).graph.id
        reports.db.session.add_all(
            [
                reports.Subscription(user_id="bob", graph_id=uuid.uuid4(), hour=0),  # has no graph
                reports.Subscription(user_id="ada", graph_id=graph_id, hour=0),
                reports.Subscription(user_id="ada", graph_id=graph_id, hour=24),  # never due
            ]
        )
        reports.db.session.commit()
        with Worker(tmp_path, environment) as worker:
            wait_until(lambda: worker.has_run_the_task(3))
        executions = AsyncExecutionService().list_executions()
        assert [each["user_id"] for each in executions] == ["ada"]
        assert "Subscription 1 has to wait" in worker.log_text()
