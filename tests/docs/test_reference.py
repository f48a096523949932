"""The reference describes everything that the code has, once and in its words."""

from __future__ import annotations

import itertools
import pkgutil
import sys
import typing as t
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

import flask_crewexec
from flask_crewexec import errors
from flask_crewexec.cli.commands import command_group
from flask_crewexec.cli.monitor import monitor
from flask_crewexec.config.settings import Settings
from flask_crewexec.errors import CrewExecError
from flask_crewexec.graphs import PROBLEM_CODES
from flask_crewexec.graphs.schema import fields_of
from flask_crewexec.schemas import EVENT_TYPES
from flask_crewexec.schemas import FAILURE_CODES
from flask_crewexec.schemas import STREAM_EVENT_TYPES
from flask_crewexec.web.error_codes import ERROR_CODES
from flask_crewexec.web.metric_families import FAMILIES
from flask_crewexec.web.metrics import CrewExecCollector
from flask_crewexec.web.openapi import describe
from support.built_docs import build
from support.built_docs import entries
from support.built_docs import Entry
from support.built_docs import python_names
from support.built_docs import tables

DOCS: t.Final = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the built pages."""
    target = tmp_path_factory.mktemp("html")
    build(DOCS, target)
    return target / "reference"


def once(described: list[Entry], names: t.Iterable[str]) -> dict[str, Entry]:
    """Return the entries by name, after a check that each name is described once."""
    assert Counter(entry.name for entry in described) == Counter(set(names))
    return {entry.name: entry for entry in described}


def plain(sentence: str) -> str:
    """Return a sentence of the code without its marks, which pages show as code."""
    return " ".join(sentence.replace("`", "").split())


def without_quotes(text: str) -> str:
    return text.replace("'", "")


class TestSettings:
    def test_each_is_described_once(self, reference: Path, app: Flask) -> None:
        keys = {key for key in app.config if key.startswith("CREWEXEC_")}
        described = entries(reference / "settings.html")
        once([entry for entry in described if entry.name.startswith("CREWEXEC_")], keys)

    def test_says_type_default_and_meaning(self, reference: Path) -> None:
        described = {entry.name: entry.text for entry in entries(reference / "settings.html")}
        assert (
            "Type: integer, 0 or more Default: 3 Maximum number of automatic retries"
            in described["CREWEXEC_MAX_RETRIES"]
        )
        assert (
            "Type: datetime.timedelta Default: timedelta(days=30)" in described["CREWEXEC_KEEP_FOR"]
        )
        assert (
            "Type: number greater than zero or None Default: 14_400.0"
            in described["CREWEXEC_MAX_RUNTIME"]
        )
        assert "a user's id" in described["CREWEXEC_MAX_QUEUED_PER_USER"]
        assert f'Default: "{Settings().url_prefix}"' in described["CREWEXEC_URL_PREFIX"]


class TestRoutes:
    def test_each_is_described_once(self, reference: Path, app: Flask) -> None:
        routes = {name for name, _ in operations(app)}
        schemas = set(describe(app)["components"]["schemas"])
        once(entries(reference / "routes.html"), routes | schemas)

    def test_says_parameters_and_responses(self, reference: Path, app: Flask) -> None:
        described = {entry.name: entry for entry in entries(reference / "routes.html")}
        for name, operation in operations(app):
            parameters = (each for each in operation["parameters"] if each["in"] != "path")
            assert described[name].first_cells == tuple(each["name"] for each in parameters)
            for status, response in operation["responses"].items():
                assert "$ref" in response or f"{status} " in described[name].text

    def test_says_the_fields_of_schemas(self, reference: Path, app: Flask) -> None:
        described = {entry.name: entry for entry in entries(reference / "routes.html")}
        for name, schema in describe(app)["components"]["schemas"].items():
            assert described[name].first_cells == tuple(schema.get("properties", ())), name
            assert all(value in described[name].text for value in schema.get("enum", ())), name


def operations(app: Flask) -> Iterator[tuple[str, dict[str, t.Any]]]:
    for path, methods in describe(app)["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_describes_each_type_of_event_once_with_its_fields(reference: Path) -> None:
    types = {**EVENT_TYPES, **STREAM_EVENT_TYPES}
    described = once(entries(reference / "events.html"), types)
    for name, known in types.items():
        assert plain(known.meaning) in described[name].text
        assert described[name].first_cells == tuple(known.fields), name


def test_describes_each_code_once_with_its_remedy(reference: Path) -> None:
    described = entries(reference / "errors.html")
    of_requests = once(described[: len(ERROR_CODES)], ERROR_CODES)
    of_problems = once(described[len(ERROR_CODES) : -len(FAILURE_CODES)], PROBLEM_CODES)
    of_failures = once(described[-len(FAILURE_CODES) :], FAILURE_CODES)
    for code, known in ERROR_CODES.items():
        assert says(of_requests[code], known.meaning, known.remedy, str(known.status)), code
    for code, meaning in PROBLEM_CODES.items():
        assert says(of_problems[code], meaning), code
    for code, failure in FAILURE_CODES.items():
        assert says(of_failures[code], failure.meaning, failure.remedy), code
        assert ("Retried:" in of_failures[code].text) == failure.transient, code


def says(entry: Entry, *sentences: str) -> bool:
    text = without_quotes(entry.text)
    return all(without_quotes(plain(sentence)) in text for sentence in sentences)


class TestCommands:
    def test_each_is_described_once(self, reference: Path) -> None:
        once(entries(reference / "cli.html"), dict(commands()))

    def test_says_help_and_options(self, reference: Path) -> None:
        described = {entry.name: entry for entry in entries(reference / "cli.html")}
        for name, command in commands():
            options = (each for each in command.params if isinstance(each, click.Option))
            assert described[name].first_cells == tuple(", ".join(each.opts) for each in options)
            assert says(described[name], (command.help or "").partition("\n")[0]), name


def commands() -> Iterator[tuple[str, click.Command]]:
    yield "celery monitor", monitor
    for name, command in command_group().commands.items():
        if isinstance(command, click.Group):
            for child in command.commands.values():
                yield f"flask crewexec {name} {child.name}", child
        else:
            yield f"flask crewexec {name}", command


class TestMetrics:
    def test_each_is_described_once(self, reference: Path, namespace: dict[str, t.Any]) -> None:
        collected = {
            metric.name + ("_total" if metric.type == "counter" else "")
            for metric in CrewExecCollector(namespace["app"]).collect()
        }
        once(entries(reference / "metrics.html"), collected)

    def test_says_type_labels_and_meaning(self, reference: Path) -> None:
        described = entries(reference / "metrics.html")
        for entry, family in zip(described, FAMILIES, strict=True):
            assert says(entry, family.meaning, f"Type: {family.type}")
            assert ("Labels: " + ", ".join(family.labels) in entry.text) == bool(family.labels)


def test_describes_each_field_of_a_graph(reference: Path) -> None:
    parts = "document node agent task guardrail review assignees tool approval llm edge input"
    fields = [list(fields_of(part)) for part in parts.split()]
    assert tables(reference / "graph-document.html") == fields


def test_describes_each_public_name_of_python_once(reference: Path) -> None:
    names = python_names(reference / "api.html")
    assert not [name for name, count in Counter(names).items() if count > 1]
    top_level = [name for name in names if name.rpartition(".")[0] in sys.modules]
    described = [pkgutil.resolve_name(name) for name in top_level]
    for value in itertools.chain(public_values(), exceptions()):
        assert sum(each is value for each in described) == 1, value


def public_values() -> Iterator[object]:
    return (getattr(flask_crewexec, name) for name in flask_crewexec.__all__)


def exceptions() -> Iterator[type[CrewExecError]]:
    for name, value in vars(errors).items():
        is_error = isinstance(value, type) and issubclass(value, CrewExecError)
        if is_error and name not in flask_crewexec.__all__:
            yield value
