"""What is compiled once per process, though each test makes an application.

These are routes, templates and the statements of models that are declared once.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable
from collections.abc import Iterable

from flask import Flask
from flask.templating import Environment
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule
from werkzeug.routing.rules import RulePart

from flask_crewexec import per_app
from flask_crewexec.app_state import AppState
from flask_crewexec.config.settings import Settings
from flask_crewexec.scheduling import admission
from flask_crewexec.scheduling import fair_scheduler
from flask_crewexec.scheduling import submission_statements
from flask_crewexec.storage import status_query
from support.host_app import host

Builder = Callable[..., tuple[str, str]]


class Parsed(t.NamedTuple):
    """What Werkzeug reads in the text of a rule."""

    parts: list[RulePart]
    trace: list[tuple[bool, str]]
    converters: dict[str, t.Any]


_builders: t.Final[dict[tuple[object, ...], Builder]] = {}
_parsed: t.Final[dict[str, Parsed]] = {}


class OnceCompiledRule(Rule):
    """Shares what Werkzeug finds out for each rule of each map."""

    def _parse_rule(self, rule: str) -> Iterable[RulePart]:
        if rule not in _parsed:
            parts = list(super()._parse_rule(rule))
            _parsed[rule] = Parsed(parts, list(self._trace), dict(self._converters))
        known = _parsed[rule]
        self._trace[:] = known.trace
        self._converters.update(known.converters)
        self.arguments.update(known.converters)
        return known.parts

    def _compile_builder(self, append_unknown: bool = True) -> Builder:
        compiled = functools.partial(super()._compile_builder, append_unknown)
        if self.defaults:
            return compiled()
        key = (self.rule, *self._trace, append_unknown)
        if key not in _builders:
            _builders[key] = compiled()
        return _builders[key]


class TemplatesInMemory(BytecodeCache):
    """Keeps the code of templates."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._known:
            bucket.bytecode_from_string(self._known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key] = bucket.bytecode_to_string()


class Statements(LRUCache[t.Any, t.Any]):
    """Compiled statements, which engines with dialects of the same name share."""

    def get(self, key: t.Any, default: t.Any = None) -> t.Any:
        return super().get(self._shared(key), default)

    def __setitem__(self, key: t.Any, value: t.Any) -> None:
        super().__setitem__(self._shared(key), value)

    def _shared(self, key: t.Any) -> tuple[t.Any, ...]:
        dialect, *others = key
        return dialect.name, *others


_templates: t.Final = TemplatesInMemory()
_statements: t.Final = Statements(2_000)


_SHARED: t.Final = (
    admission._query,
    fair_scheduler._statements,
    status_query._queries,
    submission_statements._inserts,
    submission_statements._statements,
)
_settings: t.Final[list[Settings]] = []
_built: t.Final[dict[tuple[object, ...], object]] = {}


class ObjectsOfApp(dict[object, object]):
    """What an application has for itself; statements it shares with those that are set up alike."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self._app = app

    @functools.cached_property
    def _kind(self) -> tuple[object, ...]:
        """What the statements of an application depend on."""
        app_state: AppState = self._app.extensions["crewexec"]
        if app_state.settings not in _settings:
            _settings.append(app_state.settings)
        engine = app_state.database.engine
        schemas = str(engine.get_execution_options().get("schema_translate_map"))
        settings = _settings.index(app_state.settings)
        return app_state.models, settings, engine.dialect.name, schemas

    def __contains__(self, local: object) -> bool:
        return super().__contains__(local) or (local in _SHARED and (local, *self._kind) in _built)

    def __missing__(self, local: object) -> object:
        if local not in _SHARED:
            raise KeyError(local)
        return _built[(local, *self._kind)]

    def __setitem__(self, local: object, made: object) -> None:
        if local in _SHARED:
            _built[(local, *self._kind)] = made
        else:
            super().__setitem__(local, made)


class QuickFlask(Flask):
    """An application that is made in a fraction of the time."""

    url_rule_class = OnceCompiledRule

    def __init__(self, *args: t.Any, **options: t.Any) -> None:
        super().__init__(*args, **options)
        self.extensions[per_app._KEY] = ObjectsOfApp(self)

    def create_jinja_environment(self) -> Environment:
        environment = super().create_jinja_environment()
        environment.bytecode_cache = _templates
        return environment


def make_hosts_quickly() -> None:
    """Let each application of the host in this process share what was compiled."""
    host.app_class = QuickFlask
    host.engine_options = {"execution_options": {"compiled_cache": _statements}}
