"""The page that checks and imports graphs."""

from __future__ import annotations

import dataclasses
import html
import io
import json
import re
import typing as t
import zipfile

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape

from flask_crewexec.graphs.importers import FORMATS
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import is_problem
from support.dashboard_pages import OURS
from support.dashboard_pages import Pages
from support.dashboard_pages import section
from support.dashboard_pages import text_of
from support.graphs import documents
from support.graphs.crew_fixtures import document_of
from support.graphs.crew_fixtures import files_of
from support.graphs.crew_fixtures import MODELS
from support.graphs.crew_fixtures import options_of

pytestmark = [pytest.mark.usefixtures("registered"), pytest.mark.sqlite_enough]

PATH = "/graphs/import"
HOSTILE = "<script>alert(1)</script>\"><img src=x onerror='alert(1)'>"
GUARDED = {
    "agents": [{"name": "writer", "role": "Writer", "goal": "Write", "backstory": "Writes."}],
    "tasks": [
        {
            "description": "Tell",
            "expected_output": "A list",
            "agent": "writer",
            "guardrail": {"python": "checks.no_lies"},
        }
    ],
}
"""A crew of CrewAI whose guardrail is a function, which cannot be imported."""


def stored(api: Api) -> list[t.Any]:
    return t.cast("list[t.Any]", api("GET", "/graphs").json["graphs"])


def send(pages: Pages, **form: t.Any) -> t.Any:
    return pages.post(PATH, **form)


def paste(pages: Pages, document: object, **form: t.Any) -> t.Any:
    text = document if isinstance(document, str) else json.dumps(document)
    return send(pages, text=text, **form)


def upload(**files: str | bytes) -> list[t.Any]:
    return [
        (io.BytesIO(text if isinstance(text, bytes) else text.encode()), name)
        for name, text in files.items()
    ]


def hidden(page: str) -> dict[str, str]:
    """What the next form sends without being asked, and the digest of the button."""
    names = "kept|checked"
    found = re.findall(rf'name="({names})" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


class TestChecks:
    def test_a_valid_document_is_drawn_and_not_stored(self, api: Api, pages: Pages) -> None:
        answer = paste(pages, documents.chain("first", "second"))
        assert answer.status_code == 200
        said = text_of(section(answer.text, "check"))
        assert "test crew : 1 agent, 2 tasks. About 2 to" in said
        assert 'aria-label="first, Writer, default"' in section(answer.text, "graph")
        assert "Expected: text" in text_of(section(answer.text, "tasks"))
        assert stored(api) == []

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{", "This is not JSON"),
            ("[]", "/"),
            ('{"version": 1}', "/nodes"),
            (json.dumps(documents.chain("a", tools=("unknown",))), "/nodes/2/data/name"),
            ("", "Paste the document"),
        ],
    )
    def test_problems_are_listed_with_their_places(
        self, api: Api, pages: Pages, text: str, problem: str
    ) -> None:
        answer = paste(pages, text)
        assert answer.status_code == 422
        assert problem in text_of(section(answer.text, "problems"))
        assert escape(text) in answer.text
        assert 'id="store"' not in answer.text
        assert stored(api) == []

    def test_hints_say_what_is_allowed(self, pages: Pages) -> None:
        answer = paste(pages, documents.chain("a", tools=("sey",)))
        assert "say" in text_of(section(answer.text, "problems"))

    def test_options_that_cannot_be_used_are_said(self, pages: Pages) -> None:
        for options, problem in (("{", "not JSON"), ("[]", "object"), ('{"odd": 1}', "/odd")):
            answer = paste(pages, "{}", format="crewai", options=options)
            assert problem in text_of(section(answer.text, "problems"))
            assert escape(options) in answer.text

    def test_texts_of_users_run_nothing(self, pages: Pages) -> None:
        for text in (HOSTILE, json.dumps({**documents.chain("a"), "name": HOSTILE})):
            answer = paste(pages, text)
            assert "&lt;script&gt;" in answer.text
            assert dangers(answer.text) == []


class TestImport:
    @pytest.mark.parametrize("format", FORMATS)
    def test_files_are_checked_then_stored_with_what_the_page_has_kept(
        self, api: Api, pages: Pages, format: str
    ) -> None:
        archive = io.BytesIO()
        files = files_of("trip", format)
        if len(files) > 1:
            with zipfile.ZipFile(archive, "w") as opened:
                for name, text in files.items():
                    opened.writestr(name, text)
            files = {"project.zip": archive.getvalue()}  # type: ignore[dict-item]
        chosen = options_of("trip", format)
        form = {"format": format, "options": json.dumps({"models": MODELS, **chosen})}
        checked = send(pages, **form, files=upload(**files))
        assert checked.status_code == 200, text_of(checked.text)
        assert stored(api) == []
        answer = send(pages, **form, **hidden(checked.text))
        assert answer.status_code == 303, text_of(answer.text)
        (graph,) = stored(api)
        assert answer.headers["Location"].endswith(f"/graphs/{graph['id']}")
        assert graph["name"] == document_of("trip")["name"]

    def test_what_was_changed_since_is_checked_again(self, api: Api, pages: Pages) -> None:
        checked = hidden(paste(pages, documents.chain("a")).text)["checked"]
        answer = paste(pages, documents.chain("b"), checked=checked)
        assert answer.status_code == 200
        assert 'aria-label="b, Writer, default"' in answer.text
        assert stored(api) == []
        assert paste(pages, documents.chain("a"), checked=checked).status_code == 303
        assert len(stored(api)) == 1

    def test_missing_checks_need_consent(self, api: Api, pages: Pages) -> None:
        form = {"format": "crewai", "name": "Guarded"}
        checked = paste(pages, GUARDED, **form)
        assert checked.status_code == 200, text_of(checked.text)
        assert "A check is missing." in text_of(section(checked.text, "notes"))
        assert "crew.jsonc/tasks/0/guardrail" in text_of(section(checked.text, "notes"))
        form |= hidden(checked.text)
        refused = paste(pages, GUARDED, **form)
        assert refused.status_code == 422
        assert "would be missing" in text_of(section(refused.text, "check"))
        assert stored(api) == []
        assert paste(pages, GUARDED, **form, accept="unguarded").status_code == 303
        assert [graph["name"] for graph in stored(api)] == ["Guarded"]

    @pytest.mark.settings(MAX_GRAPHS_PER_USER=1)
    def test_a_limit_is_told_and_what_was_entered_stays(self, api: Api, pages: Pages) -> None:
        api.graph(documents.chain("a"))
        checked = hidden(paste(pages, documents.chain("b")).text)
        answer = paste(pages, documents.chain("b"), **checked)
        assert answer.status_code in (409, 403, 422, 429)
        assert "You may have 1 graphs" in text_of(section(answer.text, "check"))
        assert len(stored(api)) == 1

    @pytest.mark.parametrize("kept", ["{", "[]", '{"a": 1}', "null"])
    def test_damaged_files_of_the_page_before_are_refused(self, pages: Pages, kept: str) -> None:
        answer = send(pages, kept=kept)
        assert answer.status_code == 422
        assert "Choose them again" in text_of(section(answer.text, "problems"))

    @pytest.mark.parametrize(
        ("name", "content"), [("a.json", b"\xff\xfe"), ("a.zip", b"no archive")]
    )
    def test_files_that_cannot_be_read_are_said(
        self, pages: Pages, name: str, content: bytes
    ) -> None:
        answer = send(pages, files=upload(**{name: content}))
        assert answer.status_code == 422
        assert "The file" in text_of(section(answer.text, "problems"))


class TestLimits:
    @pytest.mark.settings(MAX_BODY_BYTES=10_000)
    def test_files_are_at_most_as_large_as_bodies_of_the_api(self, pages: Pages) -> None:
        large = "x" * 10_001
        for form in ({"files": upload(**{"a.json": large})}, {"text": large}):
            is_problem(send(pages, **form), 413, "request-entity-too-large")
        assert send(pages, text="x" * 10_000).status_code == 422

    def test_nobody_imports_without_signing_in_or_from_other_sites(
        self, api: Api, client: FlaskClient, pages: Pages
    ) -> None:
        nobody = Pages(client, None)
        is_problem(nobody.get(PATH), 401, "unauthorized")
        is_problem(paste(nobody, documents.chain("a")), 401, "unauthorized")
        cross = {**OURS, "Sec-Fetch-Site": "cross-site"}
        is_problem(pages.post(PATH, cross, text="{}"), 403, "forbidden")

    def test_documents_name_only_what_the_roles_of_the_user_allow(
        self, app: Flask, pages: Pages
    ) -> None:
        registry = app.extensions["crewexec"].registry
        registry.tools["say"] = dataclasses.replace(registry.tools["say"], roles={"editor"})
        answer = paste(pages, documents.chain("a", tools=("say",)))
        assert answer.status_code == 422
        assert "/nodes/2/data/name" in text_of(section(answer.text, "problems"))

    def test_the_list_leads_there(self, pages: Pages) -> None:
        assert f'id="import" href="/crewexec-dashboard{PATH}"' in pages.read("/graphs")
        assert 'name="files" type="file" multiple' in pages.read(PATH)
