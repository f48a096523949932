"""Templates of a host in place of the dashboard's, and executions on pages of its own."""

from __future__ import annotations

import typing as t
from pathlib import Path

import jinja2
import pytest
from flask import Flask
from flask import render_template_string
from flask.testing import FlaskClient

from flask_crewexec.dashboard import create_dashboard
from support.api_client import Api
from support.dashboard_pages import dangers
from support.dashboard_pages import Pages
from support.dashboard_pages import text_of
from support.doc_examples import examples_of
from support.graphs import documents
from support.host_app import host
from support.in_process import run
from support.paths import ROOT

REFERENCE = ROOT / "docs/reference/templates.rst"
LAYOUT = """<title>{% block title %}{% endblock %} | Host</title>
{% block head %}<meta name="host">{% endblock %}
<b>{{ company }}</b>{{ "x"|hosts_filter }}{% if nothing %}never{% endif %}
{% block content %}{% endblock %}
"""
UNKNOWN = "00000000-0000-7000-8000-000000000000"

pytestmark = pytest.mark.sqlite_enough

Write = t.Callable[[str, str], None]


@pytest.fixture
def write(app: Flask, tmp_path: Path) -> Write:
    """Write a template of the host."""
    app.jinja_loader = jinja2.FileSystemLoader(tmp_path)

    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")

    return write


@pytest.fixture
def read(app: Flask, client: FlaskClient) -> t.Callable[[str], str]:
    """Register the dashboard, and read a page of a user."""

    app.register_blueprint(create_dashboard())
    return Pages(client, "ada").read


class TestReplacedTemplates:
    def test_blocks_of_the_base(self, write: Write, read: t.Any, api: Api) -> None:
        (example,) = (each for each in examples_of(REFERENCE) if each.caption)
        write("crewexec/base.html", example.text)
        page = read("/executions")
        assert 'href="/static/theme.css"' in page
        assert "dashboard.css" in page
        assert text_of(page).endswith("Ask the newsroom: 4711")
        assert "<h1>" in page
        assert "All times are" not in page

    def test_the_hosts_own_layout(self, app: Flask, write: Write, read: t.Any, api: Api) -> None:
        (own,) = (each for each in examples_of(REFERENCE) if not each.caption)
        write("layout.html", LAYOUT)
        write("crewexec/base.html", own.text)
        app.context_processor(lambda: {"company": "A & B"})
        app.add_template_filter(lambda text: f"<{text}>", "hosts_filter")
        page = read(f"/executions/{api.queue(documents.chain('a'))}")
        assert "<title>… test crew | Host</title>" in page
        assert "<b>A &amp; B</b>&lt;x&gt;" in page
        assert 'aria-current="page">Executions' in page
        for part in ('name="host"', "dashboard.css", 'id="live"', 'id="announcement"'):
            assert part in page
        assert "never" not in page

    def test_a_partial_alone(self, write: Write, read: t.Any, api: Api) -> None:
        write(
            "crewexec/summary.html",
            '<section id="summary" data-part>{{ execution.status }} & more</section>'
            '{% include "crewexec/default/summary.html" %}',
        )
        page = read(f"/executions/{api.queue(documents.chain('a'))}")
        assert '<section id="summary" data-part>queued & more</section>' in page
        assert "0 of 1 steps" in text_of(page)
        assert 'id="steps"' in page

    def test_code_is_kept_where_the_host_keeps_its_own(
        self, app: Flask, read: t.Any, tmp_path: Path
    ) -> None:
        app.jinja_env.bytecode_cache = jinja2.FileSystemBytecodeCache(str(tmp_path))
        read("/executions")
        assert list(tmp_path.glob("__jinja2_*.cache"))

    def test_without_any_the_hosts_names_are_not_there(
        self, app: Flask, write: Write, read: t.Any, api: Api
    ) -> None:
        write("base.html", "the host's")
        app.add_template_filter(lambda text: "the host's", "brief")
        page = read("/executions")
        assert "the host's" not in page


class TestComponents:
    @pytest.fixture
    def show(self, app: Flask, client: FlaskClient) -> t.Callable[..., str]:
        """Render a page of the host that embeds an execution."""
        app.register_blueprint(create_dashboard())

        def page(macro: str, id: str) -> str:
            text = '{% import "crewexec/components.html" as crewexec %}'
            return render_template_string(text + f"{{{{ crewexec.{macro}(id) }}}}", id=id)

        app.add_url_rule("/own/<macro>/<id>", view_func=page)

        def show(macro: str, id: str, user: str | None = "ada") -> str:
            headers = {"X-User": user} if user else {}
            answer = client.get(f"/own/{macro}/{id}", headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.text

        return show

    def test_each_shows_its_part(self, show: t.Any, api: Api, model: t.Any) -> None:
        model.on("Do a", "<script>alert(1)</script> **done**")
        id = api.queue(documents.chain("a"))
        parts = {"execution": "summary steps actions", "progress": "summary", "result": "summary"}
        self.check(show, id, parts)
        run(id)
        parts |= {"execution": "summary steps result actions", "result": "result"}
        self.check(show, id, parts)
        assert dangers(show("execution", id)) == []
        assert "<strong>done</strong>" in show("result", id)

    def check(self, show: t.Any, id: str, parts: dict[str, str]) -> None:
        for macro, shown in parts.items():
            page = show(macro, id)
            found = [part for part in ALL if f'<section id="{part}"' in page]
            assert found == shown.split(), macro

    def test_rights_are_those_of_the_pages(self, show: t.Any, api: Api) -> None:
        id = api.queue(documents.chain("a"))
        assert 'id="summary"' in show("execution", id, host.ADMIN)
        for user, told in (("mallory", "no execution"), (None, "Sign in first")):
            page = show("execution", id, user)
            assert told in page
            assert "test crew" not in page
        assert "no execution" in show("progress", UNKNOWN)

    def test_the_address_of_the_element_has_the_same_rights(
        self, show: t.Any, api: Api, client: FlaskClient
    ) -> None:
        path = f"/executions/{api.queue(documents.chain('a'))}/component"
        page = Pages(client, "ada").read(path, show="progress")
        assert 'id="summary"' in page
        assert 'id="steps"' not in page
        assert 'id="steps"' in Pages(client, "ada").read(path, show="nonsense")
        assert Pages(client, "mallory").get(path).status_code == 404
        assert Pages(client, None).get(path).status_code == 401

    def test_forms_carry_the_hosts_token(self, app: Flask, show: t.Any, api: Api) -> None:
        app.add_template_global(lambda: "a token", "csrf_token")
        page = show("execution", api.queue(documents.chain("a")))
        assert '<input type="hidden" name="csrf_token" value="a token">' in page
        assert 'action="/crewexec-dashboard/executions/' in page


ALL = ("summary", "steps", "result", "actions")
