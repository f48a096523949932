"""Inputs and input files, from the submission to the model."""

from __future__ import annotations

import io
import json
import typing as t

import pytest
import sqlalchemy as sa

from flask_crewexec import current_execution
from flask_crewexec import StorageUnavailable
from flask_crewexec.app_state import current_app_state
from flask_crewexec.registry.specs import FunctionToolSpec
from flask_crewexec.testing import Rule
from support.api_client import problem
from support.graphs import documents
from support.host_app import host
from support.in_process import change
from support.in_process import run
from support.servers.processes import wait_until

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]


def declaring(inputs, description="Tell about {topic}", *, tools=(), **data):
    nodes = [documents.agent("w", **data), documents.task("t", description)]
    nodes += [documents.named(tool, "tool") for tool in tools]
    edges = ["w t", *(f"{tool} w" for tool in tools)]
    return documents.crew(nodes, edges, inputs=inputs)


def sent(model, at=0):
    """Return the texts of all messages of a call."""
    return "\n".join(message["content"] or "" for message in model.calls[at].body["messages"])


SIZED = {
    "topic": {"type": "string", "max_length": 20},
    "size": {"type": "string", "enum": ["short", "long"], "default": "short"},
    "notes": {"type": "array", "required": False},
}


class TestDefaults:
    DOCUMENT = declaring(SIZED, "Tell about {topic}: {size}.{notes}")

    def test_defaults_are_stored_with_the_execution_and_reach_the_model(self, api, model):
        id = api.queue(self.DOCUMENT, inputs={"topic": "tea"})
        assert api.status(id)["inputs"] == {"topic": "tea", "size": "short"}
        assert run(id) == "completed"
        assert "Tell about tea: short.\n" in sent(model)

    def test_defaults_of_a_newer_version_do_not_change_an_execution(self, api, model):
        graph = api.graph(self.DOCUMENT)
        order = {"graph_id": graph, "inputs": {"topic": "tea"}}
        id = api("POST", "/executions", json=order).json["id"]
        other = {**SIZED, "size": {"type": "string", "default": "endless"}}
        changed = {**self.DOCUMENT, "inputs": other}
        assert api("PUT", f"/graphs/{graph}", json=changed).status_code == 200
        assert run(id) == "completed"
        assert "Tell about tea: short.\n" in sent(model)

    def test_defaults_do_not_change_the_fingerprint_of_a_submission(self, api):
        order = {"graph_id": api.graph(self.DOCUMENT), "inputs": {"topic": "tea"}}
        key = {"Idempotency-Key": "k"}
        first = api("POST", "/executions", json=order, headers=key).json["id"]
        assert api("POST", "/executions", json=order, headers=key).json["id"] == first

    @pytest.mark.settings(MAX_INPUTS_BYTES=30)
    def test_defaults_count_towards_the_size_limit(self, api):
        order = {"graph_id": api.graph(self.DOCUMENT), "inputs": {"topic": "tea and"}}
        told = problem(api("POST", "/executions", json=order), 422, "invalid-inputs")
        assert told["errors"][0]["code"] == "too-large"


class TestRefusing:
    DOCUMENT = declaring({"topic": {"type": "string"}, "count": {"type": "integer", "maximum": 3}})

    @pytest.mark.parametrize("query", ["", "/preview"])
    def test_every_problem_is_reported_with_a_hint(self, api, query):
        order = {"graph_id": api.graph(self.DOCUMENT), "inputs": {"topic": 1, "count": 4, "x": 1}}
        told = problem(api("POST", f"/executions{query}", json=order), 422, "invalid-inputs")
        assert [(p["pointer"], p["code"], p["hint"]) for p in told["errors"]] == [
            ("/inputs/x", "unknown-input", 'The inputs are "count", "topic".'),
            ("/inputs/count", "out-of-range", "Allowed is an integer of 3 or less."),
            ("/inputs/topic", "wrong-type", "Allowed is text."),
        ]

    def test_validation_describes_them(self, api):
        answer = api("POST", "/graphs/validate", json=self.DOCUMENT).json
        assert answer["inputs"] == ["count", "topic"]
        schema = answer["inputs_schema"]
        assert schema["properties"]["count"] == {"type": "integer", "maximum": 3}
        assert schema["additionalProperties"] is False

    def test_the_description_of_the_api_has_them(self, api):
        schemas = api("GET", "/openapi.json").json["components"]["schemas"]
        assert schemas["GraphRequest"]["properties"]["inputs"]["type"] == "object"
        assert "hint" in schemas["ProblemItem"]["properties"]


class TestPlaceholders:
    def test_only_declared_names_are_replaced_and_only_once(self, api, model):
        odd = "{b} {role} {goal} {backstory} {input} {tools} {tool_names} {a} {a.__class__} {0}"
        texts = {"goal": "Goal <{a}>", "backstory": "Story <{a}>"}
        description = "Do <{a}> {b} {a.__class__} {a[0]} {a!r} {a:>9} {0} {}"
        for tools in ((), ("count_words",)):
            document = declaring({}, description, tools=tools, **texts)
            assert run(api.queue(document, inputs={"a": odd, "b": "BEE"})) == "completed"
            found = sent(model, at=len(model.calls) - 1)
            for start in ("Goal", "Story", "Do"):
                assert f"{start} <{odd}>" in found
            assert f"<{odd}> BEE {{a.__class__}} {{a[0]}} {{a!r}} {{a:>9}} {{0}} {{}}" in found
            assert found.count("Goal <") == found.count("Story <") == found.count("Do <") == 1

    def test_placeholders_in_a_models_answer_are_not_replaced(self, api, model):
        model.on("Do a", "{tools} {input} {role}")
        assert run(api.queue(documents.chain("a", "b"))) == "completed"
        assert "{tools} {input} {role}" in sent(model, at=1)

    def test_values_are_shown_as_json(self, api, model):
        document = declaring({}, "<{a}> <{b}> <{c}>")
        inputs = {"a": True, "b": {"k": ["é", None]}, "c": 1.5}
        assert run(api.queue(document, inputs=inputs)) == "completed"
        assert '<true> <{"k": ["é", null]}> <1.5>' in sent(model)

    def test_the_managers_texts_are_filled_in(self, api, model):
        nodes = [
            documents.agent("boss", goal="Lead {team}"),
            documents.agent("w"),
            documents.task("t"),
        ]
        managed = documents.crew(nodes, ["boss w manager"], process="hierarchical")
        assert run(api.queue(managed, inputs={"team": "{goal} US"})) == "completed"
        assert "Lead {goal} US" in sent(model)

    def test_tools_may_read_them(self, api, model):
        seen = []

        def look() -> str:
            seen.append(dict(current_execution.inputs))
            return "seen"

        tool = FunctionToolSpec(name="look", description="Look.", function=look)
        current_app_state().registry.add_tool(tool)
        model.add(Rule(tool=("look", {}), times=1))
        inputs = {"quiet": {"default": [1]}}
        run(api.queue(declaring(inputs, "Do it", tools=("look",))))
        assert seen == [{"quiet": [1]}]


CANARY = "the canary sings in the file"
ONE_FILE = declaring({"report": {"type": "file"}}, "Read: <{report}>", goal="Know {report}")


@pytest.fixture
def registry(app):
    return current_app_state().registry


@pytest.fixture
def uploads(registry):
    """What users have uploaded: contents, or errors, by user and reference."""
    files = {("ada", "report-3"): CANARY}

    def open(reference, user_id):
        found = files.get((user_id, reference))
        if isinstance(found, Exception):
            raise found
        return found

    registry.add_storage("uploads", open)
    return files


def stored(redis_process):
    """Everything in our tables and in Redis, as text."""
    with current_app_state().database.read_session() as session:
        for model in current_app_state().models:
            yield from map(str, session.execute(sa.select(t.cast(t.Any, model).__table__)))
    with redis_process.client() as client:
        for key in client.scan_iter():
            kind = client.type(key)
            if kind in ("list", "string"):
                yield str(client.lrange(key, 0, -1) if kind == "list" else client.get(key))


class TestFiles:
    def queue(self, api, document=ONE_FILE, reference="uploads:report-3"):
        return api.queue(document, inputs={"report": reference})

    def failure(self, api, id):
        error = api.status(id)["error"]
        assert CANARY not in str(error)
        return error["code"]

    @pytest.mark.settings(CALL_LOG="off")
    def test_their_text_reaches_the_model_and_is_not_stored(
        self, api, model, uploads, redis_process
    ):
        model.on("Read", "read it")
        id = self.queue(api)
        with redis_process.client().pubsub() as listener:
            listener.psubscribe("*")
            assert run(id) == "completed"
            told = [*iter(lambda: listener.get_message(timeout=0.2), None)]
        assert f"Read: <{CANARY}>" in sent(model)
        assert f"Know {CANARY}" in sent(model)
        status = api.status(id)
        assert status["inputs"] == {"report": "uploads:report-3"}
        events = api("GET", f"/executions/{id}/events").text
        everything = [*stored(redis_process), str(told), str(status), events]
        assert any("Read: <{report}>" in text for text in everything)
        assert not any("canary" in text for text in everything)

    def test_a_completed_step_is_not_repeated(self, api, model, uploads):
        nodes = [
            documents.agent("w"),
            documents.task("a", "Read {report}"),
            documents.task("b", "Go on"),
        ]
        inputs = {"report": {"type": "file"}}
        model.on("Read", "read it")
        model.on("Go on", "no", status=400, times=1)
        id = self.queue(api, documents.crew(nodes, ["w a", "w b", "a b"], inputs=inputs))
        assert run(id) == "failed"
        model.on("Go on", "yes")
        assert api("POST", f"/executions/{id}/retry", json={}).status_code == 202
        assert run(id) == "completed"
        assert len(model.calls_matching("Read")) == 1
        assert "read it" in sent(model, at=-1)

    @pytest.mark.parametrize(
        ("content", "shown"),
        [
            (b"\xef\xbb\xbfna\xc3\xafve", "naïve"),
            (b"a\x00b", "ab"),
            ("half \ud800", "half \ufffd"),
            (b"", ""),
            ("{report} {tools}", "{report} {tools}"),
        ],
    )
    def test_a_storage_may_return_text_bytes_or_a_file(self, api, model, uploads, content, shown):
        uploads["ada", "report-3"] = content
        assert run(self.queue(api)) == "completed"
        assert f"Read: <{shown}>" in sent(model)

    @pytest.mark.settings(MAX_FILE_BYTES=10)
    @pytest.mark.parametrize("make", [io.BytesIO, lambda content: io.StringIO(content.decode())])
    def test_an_open_file_is_read_up_to_the_limit_and_closed(self, api, uploads, make):
        uploads["ada", "report-3"] = file = make(b"x" * 1000)
        at = []
        close = file.close
        file.close = lambda: (at.append(file.tell()), close())
        id = self.queue(api)
        assert run(id) == "failed"
        assert self.failure(api, id) == "file-too-large"
        assert at[0] == 11
        assert file.closed

    @pytest.mark.settings(MAX_FILE_BYTES=10)
    @pytest.mark.parametrize(
        ("content", "outcome"),
        [("x" * 10, "completed"), ("x" * 11, "failed"), ("é" * 6, "failed"), (b"x" * 11, "failed")],
    )
    def test_the_limit_counts_bytes(self, api, model, uploads, content, outcome):
        uploads["ada", "report-3"] = content
        assert run(self.queue(api)) == outcome

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (None, "file-not-found"),
            (FileNotFoundError(CANARY), "file-not-found"),
            (PermissionError(CANARY), "file-not-found"),
            (KeyError(CANARY), "file-not-found"),
            (b"\xff\xfe", "file-not-text"),
            (ValueError(CANARY), "file-storage-failed"),
            (17, "file-storage-failed"),
        ],
    )
    def test_permanent_errors_are_not_retried(self, api, model, uploads, content, code):
        uploads["ada", "report-3"] = content
        id = self.queue(api)
        assert run(id) == "failed"
        assert self.failure(api, id) == code
        assert not model.calls

    @pytest.mark.parametrize(
        "error", [StorageUnavailable(CANARY), TimeoutError(CANARY), ConnectionResetError(CANARY)]
    )
    def test_transient_errors_are_retried(self, api, model, uploads, error):
        uploads["ada", "report-3"] = error
        id = self.queue(api)
        assert run(id) == "retrying"
        assert self.failure(api, id) == "file-storage-unavailable"
        uploads["ada", "report-3"] = "here again"
        change(id, status="queued", available_at=None)
        assert run(id) == "completed"
        assert "Read: <here again>" in sent(model)

    def test_the_storage_decides_what_the_owner_sees(self, api, stranger, model, uploads):
        id = self.queue(stranger)
        assert run(id) == "failed"
        assert self.failure(stranger, id) == "file-not-found"
        assert not model.calls

    def test_a_storage_function_sees_the_current_execution(self, api, model, registry):
        seen = []

        def open(reference, user_id):
            seen.append((reference, user_id, str(current_execution.id)))
            return "text"

        registry.add_storage("uploads", open)
        id = self.queue(api)
        assert run(id) == "completed"
        assert seen == [("report-3", "ada", id)]

    @pytest.mark.parametrize(
        ("reference", "code"),
        [
            ("other:report-3", "unknown-storage"),
            ("uploads:../secret", "invalid-reference"),
            ("uploads:/etc/passwd", "invalid-reference"),
            ("https://example.com/report", "invalid-reference"),
            ("report-3", "invalid-reference"),
            (3, "wrong-type"),
        ],
    )
    @pytest.mark.parametrize("query", ["", "/preview"])
    def test_invalid_references_are_refused(self, api, uploads, reference, code, query):
        order = {"graph_id": api.graph(ONE_FILE), "inputs": {"report": reference}}
        told = problem(api("POST", f"/executions{query}", json=order), 422, "invalid-inputs")
        assert [(p["pointer"], p["code"]) for p in told["errors"]] == [("/inputs/report", code)]
        assert told["errors"][0]["hint"]

    def test_texts_that_files_make_too_long(self, api, model, uploads):
        uploads["ada", "report-3"] = "x" * 2000
        document = declaring({"report": {"type": "file"}}, "{report}" * 2100)
        id = self.queue(api, document)
        assert run(id) == "failed"
        assert self.failure(api, id) == "invalid-inputs"
        assert "4000000 are allowed" in api.status(id)["error"]["message"]
        assert not model.calls

    def test_a_storage_may_read_a_secret_of_the_user(self, app, api, model, registry):
        def open(reference, user_id):
            assert current_execution.user_id == user_id
            return str(len(app.extensions["crewexec_host"].secret("shout")))

        registry.add_storage("uploads", open)
        assert run(self.queue(api)) == "completed"
        assert f"Read: <{len(host.OWN_KEYS['shout', 'ada'])}>" in sent(model)

    def test_a_file_that_no_text_uses_is_not_opened(self, api, model, uploads):
        uploads["ada", "report-3"] = ValueError("opened")
        document = declaring({"report": {"type": "file"}}, "Do it")
        assert run(self.queue(api, document)) == "completed"

    def test_an_optional_file_may_be_omitted(self, api, model, uploads):
        document = declaring({"report": {"type": "file", "required": False}}, "Read: <{report}>")
        assert run(api.queue(document)) == "completed"
        assert "Read: <>" in sent(model)

    def test_a_storage_that_is_not_registered_in_the_worker(self, api, model, uploads, registry):
        id = self.queue(api)
        storage = registry.storages.pop("uploads")
        assert run(id) == "retrying"  # a newer worker may know it
        change(id, status="queued", retries=3)
        assert run(id) == "failed"
        assert self.failure(api, id) == "unknown-storage"
        told = problem(api("POST", f"/executions/{id}/retry", json={}), 422, "invalid-inputs")
        assert told["errors"][0]["code"] == "unknown-storage"
        assert api.status(id)["status"] == "failed"
        registry.storages["uploads"] = storage
        assert api("POST", f"/executions/{id}/retry", json={}).status_code == 202
        assert run(id) == "completed"

    def test_the_registry_names_the_storages(self, api, uploads):
        answer = api("GET", "/registry").json
        assert answer["storages"] == [{"name": "desk"}, {"name": "uploads"}]
        schemas = api("GET", "/openapi.json").json["components"]["schemas"]
        assert answer["storages"][0].keys() == schemas["RegisteredStorage"]["properties"].keys()


def test_a_real_worker_reads_the_file(api, model, environment, start_worker, tmp_path):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "report-3").write_text(CANARY)
    environment["HOST_DESK"] = json.dumps(str(tmp_path))
    worker = start_worker(pool="prefork")
    id = api.queue(ONE_FILE, inputs={"report": "desk:report-3"})
    wait_until(lambda: api.status(id)["status"] == "completed")
    assert f"Read: <{CANARY}>" in json.dumps(model.calls[0].body)
    assert "canary" not in worker.log_text()
