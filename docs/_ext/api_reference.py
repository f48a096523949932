"""Leave out of autodoc's descriptions what tells readers nothing."""

from __future__ import annotations

import dataclasses
import typing as t

from sphinx.application import Sphinx


def _shorten_signature(
    app: Sphinx,
    what: str,
    name: str,
    obj: object,
    options: t.Any,
    signature: str | None,
    *_: object,
) -> tuple[str, str] | None:
    """Leave out arguments that a class inherits, and fields whose defaults cannot be shown."""
    if signature and isinstance(obj, type) and ("__init__" not in vars(obj) or _has_factory(obj)):
        return "", ""
    return None


def _has_factory(cls: type) -> bool:
    if not dataclasses.is_dataclass(cls):
        return False
    fields = dataclasses.fields(cls)
    return any(field.default_factory is not dataclasses.MISSING for field in fields)


def _clean_docstring(
    app: Sphinx, what: str, name: str, obj: object, options: t.Any, lines: list[str]
) -> None:
    """Leave out what Python says of the fields of named tuples."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()


def setup(app: Sphinx) -> dict[str, bool]:
    """Let autodoc call the functions."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", _shorten_signature)
    app.connect("autodoc-process-docstring", _clean_docstring)
    return {"parallel_read_safe": True}
