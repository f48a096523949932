"""The OpenAPI document as a whole: its paths, tags, servers and ways to sign in."""

from __future__ import annotations

import re
import sys
import typing as t
from collections.abc import Iterator
from importlib.metadata import version

import marshmallow as ma
from apispec import APISpec
from flask import Flask
from werkzeug.routing import Rule

from ...config.settings import Settings
from ...per_app import AppLocal
from ...schemas import ProblemSchema
from ..unknown_routes import ENDPOINT as UNKNOWN
from ..view_contracts import docs_of
from ..view_contracts import View
from .converter import plugin
from .examples import add_examples
from .operations import operation_of
from .responses import add_problem_responses

Json = dict[str, t.Any]

PREFIX: t.Final = "crewexec."
_FILES: t.Final = f"{PREFIX}client."
"""Routes of files, which are no part of the API."""
_METRICS_TOKEN: t.Final = "metricsToken"
_SCRAPER: t.Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token in 'CREWEXEC_METRICS_TOKEN'",
}


def describe(app: Flask, server: str = "/") -> Json:
    """Return the description of our routes as they are registered on *app*.

    :param server: URL to which the paths are relative.
    """
    with app.app_context():
        document = _documents.current()
    return {**document, "servers": [{"url": server}]}


def _build(app: Flask) -> Json:
    settings: Settings = app.extensions["crewexec"].settings
    rules = [each for each in app.url_map.iter_rules() if _is_described(each)]
    spec = APISpec(
        title="Flask-CrewExec",
        version=version("Flask-CrewExec"),
        openapi_version="3.1.0",
        plugins=[plugin(_answers(app, rules))],
        info={
            "description": "Queue, run, watch and cancel crews of AI agents",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        security=_security(settings),
    )
    add_problem_responses(spec)
    _add_security_schemes(spec, settings)
    for rule in rules:
        _add_path(spec, rule, app.view_functions[rule.endpoint], settings)
    add_examples(spec)
    return spec.to_dict()


_documents: t.Final = AppLocal(_build)


def _is_described(rule: Rule) -> bool:
    endpoint = str(rule.endpoint)
    is_ours = endpoint.startswith(PREFIX) and endpoint != UNKNOWN
    return is_ours and not endpoint.startswith(_FILES)


def _answers(app: Flask, rules: list[Rule]) -> Iterator[ma.Schema]:
    yield ProblemSchema()
    for rule in rules:
        for response in docs_of(app.view_functions[rule.endpoint]).responses:
            if response.schema is not None:
                yield response.schema


def _add_path(spec: APISpec, rule: Rule, view: View, settings: Settings) -> None:
    path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
    module = sys.modules[view.__module__]
    tag = module.__name__.rpartition(".")[2].replace("_", " ").capitalize()
    group = rule.endpoint.split(".")[1]
    operation = operation_of(rule, view, needs_user=group in ("api", "metrics"))
    operation |= {"tags": [tag], **_security_of(group, settings)}
    methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
    spec.path(path, operations={method.lower(): operation for method in sorted(methods)})
    known = spec.options.setdefault("tags", [])
    if all(each["name"] != tag for each in known):
        summary = (module.__doc__ or "").partition("\n")[0].rstrip(".")
        known.append({"name": tag, "description": summary})


def _add_security_schemes(spec: APISpec, settings: Settings) -> None:
    for name, scheme in settings.security_schemes.items():
        spec.components.security_scheme(name, dict(scheme))
    if settings.metrics_token is not None:
        spec.components.security_scheme(_METRICS_TOKEN, dict(_SCRAPER))


def _security(settings: Settings) -> list[Json]:
    """Return what users sign in with: any one of the schemes, or none if the host allows it."""
    schemes: list[Json] = [{name: []} for name in settings.security_schemes]
    return [*schemes, {}] if settings.allow_anonymous or not schemes else schemes


def _security_of(group: str, settings: Settings) -> Json:
    """Return what a group of routes needs, if it is not the same as everywhere."""
    if group == "api" or (group == "metrics" and settings.metrics_token is None):
        return {}
    token = [*_security(settings), {_METRICS_TOKEN: []}]
    return {"security": token if group == "metrics" else []}
