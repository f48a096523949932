"""Parsers of untrusted texts: JSON with comments, and plain YAML."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Hashable
from collections.abc import Iterable

import json5
import yaml

from ..problem_messages import quote
from .import_result import Json

_MAX_REPEATED: t.Final = 100_000
"""Characters that the aliases of a YAML file may repeat."""


class Unreadable(Exception):
    """The content of a file cannot be parsed."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = code, detail


def parse_json(text: str) -> object:
    """Parse plain JSON.

    :raises Unreadable: if a member occurs twice.
    :raises ValueError: if the text is not JSON.
    :raises RecursionError: if it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_object_of)


def parse_jsonc(text: str) -> object:
    """Parse JSON with comments and trailing commas, slowly.

    :raises Unreadable: if that fails.
    """
    try:
        return json5.loads(text, object_pairs_hook=_object_of)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        detail = f"This is not JSON with comments: {_first_line(error)}. Correct it."
        raise Unreadable("invalid-json", detail) from error


def parse_yaml(text: str) -> object:
    """Parse YAML without tags, and with aliases of small values.

    :raises Unreadable: if that fails.
    """
    try:
        return yaml.load(text, _PlainLoader)
    except RecursionError:
        raise _too_deep() from None
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        detail = f"This is not plain YAML: {_yaml_reason(error)}. Correct it."
        raise Unreadable("invalid-yaml", detail) from error


def _too_deep() -> Unreadable:
    return Unreadable("too-deep", "This is nested too deeply. Flatten it.")


def _object_of(members: Iterable[tuple[str, t.Any]]) -> Json:
    pairs = [*members]
    value = dict(pairs)
    if len(value) < len(pairs):
        duplicate = _first_duplicate(name for name, _ in pairs)
        detail = f"The field {quote(str(duplicate))} occurs twice. Remove one of them."
        raise Unreadable("duplicate-field", detail)
    return value


def _first_duplicate(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


class _PlainLoader(yaml.SafeLoader):
    """A safe loader that refuses tags, duplicate keys, and aliases that grow without limit."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._sizes: dict[str, int] = {}
        self._open_anchors = 0
        self._repeated = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self._count_alias(event)
            return super().compose_node(parent, index)
        if getattr(event, "tag", None):
            raise Unreadable(
                "yaml-tag",
                f"Line {event.start_mark.line + 1} uses the tag {quote(str(event.tag))}."
                " Write plain texts, numbers, lists and mappings.",
            )
        if not getattr(event, "anchor", None):
            return super().compose_node(parent, index)
        self._open_anchors += 1
        node = super().compose_node(parent, index)
        self._open_anchors -= 1
        self._sizes[event.anchor] = node.end_mark.index - node.start_mark.index if node else 0
        return node

    def _count_alias(self, event: yaml.AliasEvent) -> None:
        """Refuse what grows: aliases inside of what an alias repeats, and long repetitions."""
        size = self._sizes.get(str(event.anchor))
        self._repeated += 1 + (size or 0)
        if size is None or self._open_anchors or self._repeated > _MAX_REPEATED:
            line = event.start_mark.line + 1 if event.start_mark else 1
            reason = "has no value yet" if size is None else "would repeat too much"
            raise Unreadable(
                "yaml-alias",
                f"Line {line}: the alias {quote(str(event.anchor))} {reason}."
                " Write out the value where it is used.",
            )

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, t.Any]:
        keys = (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        duplicate = _first_duplicate(keys)
        if duplicate is not None:
            raise Unreadable(
                "duplicate-field",
                f"The field {quote(duplicate)} occurs twice in the mapping of line"
                f" {node.start_mark.line + 1}. Remove one of them.",
            )
        return super().construct_mapping(node, deep=deep)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or ["it cannot be read"]
    return lines[0].replace("<string>:", "line ", 1).strip()[:200].rstrip(".")


def _yaml_reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return _first_line(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {str(error.problem)[:200]}"  # type: ignore[attr-defined]
