"""Tools that are made elsewhere: classes of CrewAI and servers of the Model Context Protocol."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import typing as t

import psutil
import pytest

from flask_crewexec import Secret
from flask_crewexec.app_state import current_app_state
from flask_crewexec.registry.secrets import SecretResolver
from flask_crewexec.runtime import mcp_servers
from flask_crewexec.testing import Rule
from support.api_client import Json
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.in_process import running
from support.paths import TESTS
from support.servers.processes import free_port
from support.servers.processes import wait_until

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]

SERVER = str(TESTS / "support/mcp_server.py")
TOKEN = "own-token-of-ada-for-files"
TOOLS = {
    name: f"Our words about {name}."
    for name in ("readLines", "count", "fail", "hang", "die", "token", "process", "parts")
}


@pytest.fixture
def crewexec(app):
    return app.extensions["crewexec_host"]


@pytest.fixture
def as_ada(monkeypatch):
    monkeypatch.setitem(host.OWN_KEYS, ("files", "ada"), TOKEN)


def calling(model, *tools):
    """Let the model call *tools* one after the other, each given as a name and arguments."""
    for name, arguments in tools:
        model.add(Rule(tool=(name, arguments), times=1))
    model.on(reply="done")


def told(model, call=1):
    """What the model was told of the tool that it called."""
    message = model.calls[call].body["messages"][-1]
    assert message["role"] == "tool"
    return message["content"]


def error_of(api, id) -> tuple[str, str]:
    error = api.status(id)["error"]
    return error["code"], error["message"]


def shown(api) -> dict[str, Json]:
    return {tool["name"]: tool for tool in api("GET", "/registry").json["tools"]}


class TestCrewaiClasses:
    def test_it_works_under_our_name_and_words(self, api, model):
        calling(model, ("shout", {"text": "hello", "times": 2}))
        assert run(api.queue(documents.chain("a", tools=("shout",)))) == "completed"
        (sent,) = model.calls[0].body["tools"]
        assert sent["function"]["name"] == "shout"
        assert "Shout a text." in sent["function"]["description"]
        assert sent["function"]["parameters"]["properties"]["times"]["maximum"] == 3
        assert told(model) == "HELLO! HELLO! (own-key-of-ada-for-shouting)"

    def test_its_bounds_hold(self, api, model):
        calling(model, ("shout", {"text": "hello", "times": 9}))
        assert run(api.queue(documents.chain("a", tools=("shout",)))) == "completed"
        assert "less than or equal to 3" in told(model)

    def test_one_that_answers_from_a_coroutine(self, crewexec, api, model):
        crewexec.add_crewai_tool(
            "later", "support.external_tools:Later", description="Later.", timeout=20
        )
        calling(model, ("later", {"text": "x"}))
        assert run(api.queue(documents.chain("a", tools=("later",)))) == "completed"
        assert told(model) == "{'text': 'x'}"

    def test_a_function_whose_arguments_cannot_be_described_fails_the_run(
        self, crewexec, api, model, caplog
    ):
        @crewexec.tool("tell", description="Tell.")
        def tell(text: str, caller: t.Callable[[int], int]) -> None: ...

        id = api.queue(documents.chain("a", tools=("tell",)))
        assert run(id) == "failed"
        code, message = error_of(api, id)
        assert code == "tool-unavailable"
        assert "'tell'" in message
        assert "'caller'" in message
        assert not model.calls
        assert [shown(api)["tell"]["arguments"] for _ in range(2)] == [None, None]
        in_web = [each for each in caplog.records if each.name.endswith("tool_schemas")]
        assert [each.levelname for each in in_web] == ["ERROR"]

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("no_such_package.tools:Thing", "cannot load"),
            ("support.external_tools:NoSuchTool", "cannot load"),
            ("support.external_tools:Fragile", "cannot load"),
            ("support.external_tools:Words", "cannot load"),
            ("collections:OrderedDict", "not a CrewAI tool"),
        ],
    )
    def test_what_the_worker_cannot_load_fails_the_run(
        self, crewexec, api, model, source, reason, caplog
    ):
        crewexec.add_crewai_tool("thing", source, description="A thing.")
        id = api.queue(documents.chain("a", tools=("thing",)))
        assert run(id) == "failed"
        code, message = error_of(api, id)
        assert code == "tool-unavailable"
        assert reason in message
        assert "'thing'" in message
        assert not model.calls

    def test_a_missing_key_fails_the_run(self, stranger, model):
        id = stranger.queue(documents.chain("a", tools=("shout",)))
        assert run(id) == "failed"
        message = "There is no secret 'shout' for this user."
        assert error_of(stranger, id) == ("secret-missing", message)
        assert not model.calls

    def test_users_are_shown_what_the_host_says(self, crewexec, api):
        arguments = {"type": "object", "properties": {"url": {"type": "string"}}}
        crewexec.add_crewai_tool(
            "scrape",
            "crewai_tools:ScrapeWebsiteTool",
            description="Read a page.",
            arguments=arguments,
            options={"proxy": "http://inner:1"},
            timeout=20,
            max_output_chars=500,
            on_unknown="fail",
        )
        assert shown(api)["scrape"] == {
            "name": "scrape",
            "description": "Read a page.",
            "arguments": arguments,
            "timeout": 20.0,
            "max_output_chars": 500,
            "on_unknown": "fail",
            "approval": None,
        }

    @pytest.mark.parametrize("source", ["scrape", "a:b:c", "os.system", "", "a b:C", ":C"])
    def test_a_source_names_a_class(self, crewexec, source):
        with pytest.raises(ValueError, match="module:Class"):
            crewexec.add_crewai_tool("x", source, description="d")


@pytest.fixture(params=["stdio", "http"])
def server(request, crewexec, as_ada) -> t.Iterator[None]:
    """The tools of a real server, called ``files``."""
    token = Secret("files", template="Bearer {}")
    if request.param == "stdio":
        crewexec.add_mcp_server(
            "files",
            tools=TOOLS,
            command=[sys.executable, SERVER],
            env={"TOKEN": token},
            timeout=5,
        )
        yield
        return
    with listening() as url:
        headers = {"Authorization": token}
        crewexec.add_mcp_server("files", tools=TOOLS, url=url, headers=headers, timeout=5)
        yield


@contextlib.contextmanager
def listening() -> t.Iterator[str]:
    """A server that listens on the loopback interface; returns its URL."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"]}
    process = subprocess.Popen([sys.executable, SERVER, str(port)], env=environment)
    try:
        wait_until(lambda: answers(port))
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class TestMcpServers:
    def test_its_tools_work(self, server, api, model):
        calling(model, ("files_readlines", {"path": "notes.txt"}))
        assert run(api.queue(documents.chain("a", tools=("files_readlines",)))) == "completed"
        assert told(model) == "all lines of notes.txt"

    def test_models_see_our_words_and_its_arguments(self, server, api, model):
        calling(model, ("files_readlines", {"path": "notes.txt", "lines": 3}))
        run(api.queue(documents.chain("a", tools=("files_readlines",))))
        (sent,) = model.calls[0].body["tools"]
        assert "Our words about readLines." in sent["function"]["description"]
        assert "Ignore" not in str(model.calls[0].body)
        assert sent["function"]["parameters"]["required"][0] == "path"
        assert told(model) == "3 lines of notes.txt"

    def test_arguments_that_it_does_not_take_do_not_reach_it(self, server, api, model):
        calling(model, ("files_readlines", {"path": 5, "lines": "many"}))
        assert run(api.queue(documents.chain("a", tools=("files_readlines",)))) == "completed"
        assert "validation failed" in told(model)

    def test_one_session_serves_a_run_and_ends_with_it(self, server, api, model, request):
        calling(model, ("files_count", {}), ("files_process", {}))
        document = documents.chain("a", tools=("files_count", "files_process"))
        assert run(api.queue(document)) == "completed"
        assert told(model, 1) == "1"
        process = int(told(model, 2))
        stdio = "stdio" in request.node.name
        assert psutil.pid_exists(process) is not stdio
        assert process != os.getpid()

    def test_it_gets_the_users_key_and_nothing_else_of_the_worker(self, server, api, model):
        calling(model, ("files_token", {}))
        id = api.queue(documents.chain("a", tools=("files_token",)))
        assert run(id) == "completed"
        assert told(model) == f"Bearer {TOKEN} None"
        assert TOKEN not in api("GET", f"/executions/{id}/events").text

    def test_a_missing_key_fails_the_run(self, server, stranger, model):
        id = stranger.queue(documents.chain("a", tools=("files_count",)))
        assert run(id) == "failed"
        assert error_of(stranger, id)[0] == "secret-missing"

    def test_failures_are_reported_to_the_model(self, server, api, model):
        calling(model, ("files_fail", {}), ("files_count", {}))
        id = api.queue(documents.chain("a", tools=("files_fail", "files_count")))
        assert run(id) == "completed"
        assert "the disk is gone" in told(model, 1)
        assert told(model, 2).isdigit()
        assert "tool_failed" in api.event_types(id)

    def test_a_dead_server_is_reported_to_the_model(self, crewexec, api, model):
        crewexec.add_mcp_server("files", tools=TOOLS, command=[sys.executable, SERVER], timeout=5)
        calling(model, ("files_die", {}), ("files_count", {}))
        id = api.queue(documents.chain("a", tools=("files_die", "files_count")))
        assert run(id) == "completed"
        assert "'files_die' failed" in told(model, 1)
        assert "'files_count' " in told(model, 2)

    def test_a_timeout_is_reported_to_the_model(self, crewexec, api, model):
        command = [sys.executable, SERVER]
        crewexec.add_mcp_server("files", tools=TOOLS, command=command, timeout=0.5)
        calling(model, ("files_hang", {}))
        assert run(api.queue(documents.chain("a", tools=("files_hang",)))) == "completed"
        assert "'files_hang' took longer than 0.5 seconds" in told(model)

    def test_a_server_that_hangs_does_not_hold_the_run(self, crewexec, api, model, monkeypatch):
        monkeypatch.setattr(mcp_servers, "CLOSE_SECONDS", 0.5)
        with listening() as url:
            crewexec.add_mcp_server("files", tools=TOOLS, url=url, timeout=0.5)
            calling(model, ("files_hang", {}))
            assert run(api.queue(documents.chain("a", tools=("files_hang",)))) == "completed"
        assert "took longer than 0.5 seconds" in told(model)

    def test_a_plain_token_is_kept_secret_too(self, crewexec, api, model):
        command, env = [sys.executable, SERVER], {"TOKEN": "plain-token-of-the-host"}
        crewexec.add_mcp_server("files", tools=TOOLS, command=command, env=env)
        calling(model, ("files_token", {}))
        id = api.queue(documents.chain("a", tools=("files_token",)))
        assert run(id) == "completed"
        assert told(model) == "plain-token-of-the-host None"
        assert "[secret] None" in api("GET", f"/executions/{id}/events").text

    def test_an_address_that_a_function_returns_is_kept_secret_too(self, crewexec):
        url = "http://127.0.0.1:9/mcp?token=of-the-host"
        crewexec.add_mcp_server("files", tools=TOOLS, url=lambda: url)
        learnt: list[str] = []
        keys = SecretResolver((), "ada", learnt.extend)
        spec: t.Any = current_app_state().registry.tools["files_count"]
        assert mcp_servers._resolve_settings(spec.server, keys).url == url
        assert learnt == [url]

    def test_a_description_elsewhere_is_not_fetched(self, crewexec, api):
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            elsewhere.settimeout(0)
            crewexec.add_mcp_server(
                "files",
                tools={"foreign": "Elsewhere."},
                command=[sys.executable, SERVER],
                env={"FOREIGN": str(elsewhere.getsockname()[1])},
            )
            id = api.queue(documents.chain("a", tools=("files_foreign",)))
            assert run(id) == "failed"
            with pytest.raises(BlockingIOError):
                elsewhere.accept()
        assert error_of(api, id)[0] == "tool-unavailable"

    def test_parts_that_are_no_text_are_named(self, crewexec, api, model):
        command = [sys.executable, SERVER]
        crewexec.add_mcp_server("files", tools=TOOLS, command=command)
        calling(model, ("files_parts", {}))
        assert run(api.queue(documents.chain("a", tools=("files_parts",)))) == "completed"
        assert told(model) == "text\n[image]\na note"

    def test_a_cancel_cuts_a_call(self, app, crewexec, api, model):
        command = [sys.executable, SERVER]
        crewexec.add_mcp_server("files", tools=TOOLS, command=command, timeout=60)
        calling(model, ("files_hang", {}))
        id = api.queue(documents.chain("a", tools=("files_hang",)))
        with running(app, id) as outcomes:
            wait_until(lambda: "tool_started" in api.event_types(id))
            api("POST", f"/executions/{id}/cancel", json={})
        assert outcomes == ["cancelled"]
        assert len(model.calls) == 1


class TestServersThatDoNotOpen:
    @pytest.mark.settings(RETRY_DELAY=77)
    @pytest.mark.parametrize(
        "command", [["/no/such/program"], [sys.executable, "-c", "pass"]], ids=["missing", "ends"]
    )
    def test_the_run_is_tried_again_later(self, crewexec, api, model, command):
        crewexec.add_mcp_server("files", tools={"count": "Count."}, command=command)
        id = api.queue(documents.chain("a", tools=("files_count",)))
        assert run(id) == "retrying"
        assert error_of(api, id) == (
            "tool-server-unavailable",
            "The tool server 'files' cannot be opened.",
        )
        assert not model.calls

    def test_one_without_a_server(self, crewexec, api):
        url = f"http://127.0.0.1:{free_port()}/mcp"
        crewexec.add_mcp_server("files", tools={"count": "Count."}, url=url)
        id = api.queue(documents.chain("a", tools=("files_count",)))
        assert run(id) == "retrying"
        assert error_of(api, id)[0] == "tool-server-unavailable"

    def test_one_that_is_silent(self, crewexec, api):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
            crewexec.add_mcp_server(
                "files", tools={"count": "Count."}, url=url, connect_timeout=0.5
            )
            id = api.queue(documents.chain("a", tools=("files_count",)))
            assert run(id) == "retrying"
        assert error_of(api, id)[0] == "tool-server-unavailable"

    def test_its_last_words_are_logged(self, crewexec, api, as_ada, caplog):
        crewexec.add_mcp_server(
            "files",
            tools={"count": "Count."},
            command=[sys.executable, SERVER],
            env={"BROKEN": "1"},
        )
        run(api.queue(documents.chain("a", tools=("files_count",))))
        assert "cannot start with None" in caplog.text

    def test_a_tool_that_it_does_not_have_is_final(self, crewexec, api, model):
        command = [sys.executable, SERVER]
        crewexec.add_mcp_server("files", tools={"paint": "Paint."}, command=command)
        id = api.queue(documents.chain("a", tools=("files_paint",)))
        assert run(id) == "failed"
        assert error_of(api, id) == (
            "tool-unavailable",
            "The tool server 'files' has no tool 'paint'.",
        )


class TestRegisteringServers:
    def test_users_see_tools_and_nothing_of_the_server(self, crewexec, api):
        crewexec.add_mcp_server(
            "files",
            tools={"readLines": "Read."},
            url="http://canary-host/mcp",
            headers={"Authorization": "canary-key"},
        )
        answer = api("GET", "/registry")
        assert shown(api)["files_readlines"] == {
            "name": "files_readlines",
            "description": "Read.",
            "arguments": None,
            "timeout": 60.0,
            "max_output_chars": 100_000,
            "on_unknown": "repeat",
            "approval": None,
        }
        assert "canary" not in answer.text
        assert "canary" not in repr(crewexec._registry.tools)

    @pytest.mark.parametrize(
        "how",
        [
            {},
            {"url": "http://x/mcp", "command": ["x"]},
            {"command": "python server.py"},
            {"url": "http://x/mcp", "env": {"A": "b"}},
            {"command": ["x"], "headers": {"A": "b"}},
        ],
        ids=["neither", "both", "text", "env", "headers"],
    )
    def test_what_cannot_be(self, crewexec, how):
        with pytest.raises(ValueError, match="MCP server 'files'"):
            crewexec.add_mcp_server("files", tools={"a": "A."}, **how)

    def test_two_tools_with_one_name(self, crewexec):
        with pytest.raises(ValueError, match="a tool called 'files_a_b'"):
            crewexec.add_mcp_server("files", url="http://x", tools={"a-b": "A.", "a.b": "B."})
