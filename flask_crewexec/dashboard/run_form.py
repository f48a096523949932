"""The form with which people run a graph: its inputs in the author's order, and limits."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from ..errors import CrewExecError
from ..errors import Problem
from ..graphs import Declaration
from ..graphs import digest
from ..graphs import Graph
from ..graphs import inputs_schema
from ..schemas import QueueRequestSchema
from .argument_fields import ArgumentField
from .argument_fields import make_fields
from .argument_fields import read_fields

Json = dict[str, t.Any]

INPUTS: t.Final = "/inputs"
_LIMIT_TYPES: t.Final = {
    "priority": "integer",
    "timeout": "number",
    "max_llm_calls": "integer",
    "max_tool_calls": "integer",
    "max_tokens": "integer",
    "thread_id": "string",
}


def _limits_schema() -> Json:
    """Return the JSON Schema of what a submission may have besides inputs."""
    known = QueueRequestSchema().fields
    about = {name: known[name].metadata["description"] for name in _LIMIT_TYPES}
    types = _LIMIT_TYPES.items()
    return {
        "properties": {name: {"type": type, "description": about[name]} for name, type in types}
    }


_LIMITS: t.Final = _limits_schema()


class FormField(t.NamedTuple):
    """A field with its name in the form, which is also the JSON pointer of its problems."""

    field: ArgumentField
    name: str
    hint: str
    problem: str


class Entered(t.NamedTuple):
    """What a form asks for."""

    inputs: Json
    options: Json
    """Priority, thread and limits, as far as they are given."""


@dataclass(frozen=True, kw_only=True)
class RunForm:
    """The form of a graph, and what was entered into it before."""

    graph: Graph
    storages: Sequence[str] = ()
    """Names of storages that references to files may use."""
    entered: Mapping[str, str] = field(default_factory=dict)
    """Values of form fields that were refused."""
    error: CrewExecError | None = None
    """Why they were refused."""

    @property
    def key(self) -> str:
        """What tells this page from others, so that sending it twice queues one execution."""
        return self.entered.get("key") or uuid.uuid4().hex

    @property
    def inputs(self) -> list[FormField]:
        """The inputs, in the order in which the graph declares them."""
        schema = _writable(self.graph, self.storages)
        declared = {each.name: each for each in self.graph.declared}
        fields = make_fields(schema, _defaults(schema), _inputs_of(self.entered))
        return [self._field(each, INPUTS, _hint(declared.get(each.name))) for each in fields]

    @property
    def limits(self) -> list[FormField]:
        """What may be given besides."""
        return [self._field(each) for each in make_fields(_LIMITS, {}, self.entered)]

    @property
    def has_limits(self) -> bool:
        """Whether a limit was entered, or refused."""
        return any(each.field.text or each.problem for each in self.limits)

    @property
    def other_problems(self) -> list[Problem]:
        """What is wrong, but belongs to no field."""
        if self.error is None:
            return []
        names = [each.name for each in (*self.inputs, *self.limits)]
        found = self.error.problems or (Problem("", self.error.code, self.error.detail),)
        return [each for each in found if not any(_is_below(each.pointer, name) for name in names)]

    def _field(self, each: ArgumentField, root: str = "", hint: str = "") -> FormField:
        name = f"{root}{each.pointer}"
        return FormField(each, name, hint, " ".join(self._told(name)))

    def _told(self, name: str) -> Iterator[str]:
        for problem in self.error.problems if self.error else ():
            if _is_below(problem.pointer, name):
                yield problem.detail


def read_form(graph: Graph, storages: Sequence[str], entered: Mapping[str, str]) -> Entered:
    """Return what a form asks for; inputs whose fields are empty are left out.

    :raises InvalidRequest: if a value cannot be read, with a pointer to its field.
    """
    schema = _writable(graph, storages)
    form = _inputs_of(entered)
    optional = {**schema, "required": []}  # what is missing is said with all other problems
    inputs = read_fields(optional, _defaults(schema), form, INPUTS)
    empty = {name for name in schema["required"] if inputs.get(name) == ""}
    kept = {name: value for name, value in inputs.items() if name not in empty}
    return Entered(kept, read_fields(_LIMITS, {}, entered, ""))


def submission_key(entered: Mapping[str, str], content: Entered) -> str | None:
    """Return the idempotency key of a form: sent twice, it queues one execution.

    What was changed before it was sent again is another submission.
    """
    page = entered.get("key")
    return f"{page}-{digest([*content])}" if page else None


def _writable(graph: Graph, storages: Sequence[str]) -> Json:
    """Return the schema of the inputs, with texts where any value is allowed."""
    schema = inputs_schema(graph, storages)
    properties = schema["properties"].items()
    return {**schema, "properties": {name: _as_text(about) for name, about in properties}}


def _as_text(about: Json) -> Json:
    is_any = isinstance(about["type"], list)
    return {**about, "type": "string"} if is_any and _is_text(about.get("default", "")) else about


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _defaults(schema: Json) -> Json:
    properties = schema["properties"].items()
    return {name: about["default"] for name, about in properties if "default" in about}


def _hint(declaration: Declaration | None) -> str:
    """Return what is allowed, where the field does not show it."""
    if declaration is None or declaration.enum or declaration.type in (None, "boolean"):
        return ""
    is_plain = declaration.type == "string" and declaration.max_length is None
    return "" if is_plain else declaration.hint


def _inputs_of(entered: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of inputs by the pointers within the inputs."""
    within = (name for name in entered if name.startswith(f"{INPUTS}/"))
    return {name.removeprefix(INPUTS): entered[name] for name in within}


def _is_below(pointer: str, other: str) -> bool:
    return pointer == other or pointer.startswith(f"{other}/")
