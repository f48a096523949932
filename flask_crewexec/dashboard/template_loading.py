"""Where templates come from: one of the host in its folder ``crewexec`` replaces ours.

Our templates name each other without that folder. Those of the host name ours with it, as
``crewexec/base.html``, and what they replace as ``crewexec/default/base.html``.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from flask import Flask
from jinja2 import BaseLoader
from jinja2 import Environment
from jinja2 import PackageLoader
from jinja2 import StrictUndefined
from jinja2 import TemplateNotFound

FOLDER: t.Final = "crewexec/"
ORIGINALS: t.Final = "crewexec/default/"

Source = tuple[str, str | None, Callable[[], bool] | None]

_ours: t.Final = PackageLoader("flask_crewexec.dashboard")
OUR_TEMPLATES: t.Final = frozenset(_ours.list_templates())


class TemplateLoader(BaseLoader):
    """Loads our templates, and those of an application.

    :param app: the application; it has all its blueprints.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.replaced: t.Final = frozenset(filter(self._is_replaced, OUR_TEMPLATES))
        """Names of our templates that the host replaces."""

    def get_source(self, environment: Environment, template: str) -> Source:
        name = template.removeprefix(ORIGINALS)
        if name != template or self.is_ours(template):
            return _ours.get_source(environment, name.removeprefix(FOLDER))
        return self._source_of_host(template)

    def is_ours(self, template: str) -> bool:
        """Return whether *template* is a file of ours."""
        if template.startswith(ORIGINALS):
            return True
        name = template.removeprefix(FOLDER)
        return name != template and name in OUR_TEMPLATES - self.replaced

    def _is_replaced(self, name: str) -> bool:
        try:
            self._source_of_host(f"{FOLDER}{name}")
        except TemplateNotFound:
            return False
        return True

    def _source_of_host(self, template: str) -> Source:
        environment = self._app.jinja_env
        if environment.loader is None:
            raise TemplateNotFound(template)
        return environment.loader.get_source(environment, template)


class PageEnvironment(Environment):
    """An environment of its own: the safety of pages does not depend on the host's options.

    Where the host replaces templates, its filters, tests, globals and extensions are there, too.
    """

    def __init__(self, app: Flask) -> None:
        self.templates: t.Final = TemplateLoader(app)
        host = app.jinja_env if self.templates.replaced else None
        super().__init__(
            loader=self.templates,
            autoescape=True,
            auto_reload=app.jinja_env.auto_reload,
            bytecode_cache=app.jinja_env.bytecode_cache,
            undefined=StrictUndefined if host is None else host.undefined,
            extensions=[] if host is None else [type(each) for each in host.extensions.values()],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        if host is not None:
            self.globals.update(host.globals)
            self.filters.update(host.filters)
            self.tests.update(host.tests)

    def join_path(self, template: str, parent: str) -> str:
        """Return the name of what the template *parent* calls *template*."""
        return f"{FOLDER}{template}" if self.templates.is_ours(parent) else template
