"""What expressions of Python stand for, besides texts, numbers, lists and dictionaries."""

from __future__ import annotations

import ast
import typing as t
from dataclasses import dataclass
from dataclasses import field

Value = t.Any
"""A JSON value whose lists and members may contain the classes below."""
Environment = dict[str, Value]
_MAX_LINES: t.Final = 20
_MAX_COLUMNS: t.Final = 500


@dataclass(frozen=True)
class Computed:
    """A value that only running the code would tell."""

    line: int


@dataclass(frozen=True)
class Reference:
    """Something with a name that is not defined in the files."""

    name: str

    @property
    def last(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]


@dataclass(eq=False)
class Call:
    """A call of something outside the files, such as ``Agent(…)``; equal to itself only."""

    name: str
    """Dotted name of what is called."""
    positional: list[Value]
    keywords: dict[str, Value]
    node: ast.Call = field(repr=False)
    file: str
    variable: str | None = None
    """Name of the first variable that it is assigned to."""
    literal_name: str | None = None
    """What a tool that is defined in the files calls itself."""

    @property
    def line(self) -> int:
        """Line of the call."""
        return self.node.lineno

    @property
    def text(self) -> str:
        """The call as source; only its name if it is long."""
        lines = (self.node.end_lineno or self.line) - self.line
        columns = (self.node.end_col_offset or 0) - self.node.col_offset
        is_short = lines <= _MAX_LINES and columns <= _MAX_COLUMNS
        return ast.unparse(self.node) if is_short else self.name

    @property
    def last(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]


@dataclass(eq=False)
class Function:
    """A function or method that the files define."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    file: str
    environment: Environment = field(repr=False)

    @property
    def decorators(self) -> list[str]:
        """The last parts of the names of its decorators."""
        return [name_of(each).rpartition(".")[2] for each in self.node.decorator_list]


@dataclass(eq=False)
class Class:
    """A class that the files define."""

    node: ast.ClassDef
    file: str
    bases: list[Value] = field(default_factory=list)
    members: Environment = field(default_factory=dict, repr=False)
    """Methods and attributes, without those of the bases."""

    @property
    def name(self) -> str:
        """Name of the class."""
        return self.node.name

    def lineage(self) -> list[Class]:
        """Return the class and its bases in the files, nearest first."""
        found: list[Class] = []
        pending: list[Value] = [self]
        while pending and len(found) < 50:
            each = pending.pop(0)
            if isinstance(each, Class) and each not in found:
                found.append(each)
                pending += each.bases
        return found

    def find(self, name: str) -> Value:
        """Return a member, also of a base; None if there is none."""
        return next((each.members[name] for each in self.lineage() if name in each.members), None)

    def outside_bases(self) -> list[Reference]:
        """Return the bases that the files do not define."""
        bases = [base for each in self.lineage() for base in each.bases]
        return [base for base in bases if isinstance(base, Reference)]


@dataclass(eq=False)
class Instance:
    """An object of a class that the files define."""

    cls: Class
    attributes: Environment = field(default_factory=dict)
    results: Environment = field(default_factory=dict)
    """What its decorated methods return, each once, as in CrewAI."""


@dataclass(frozen=True)
class Method:
    """A method of an object."""

    instance: Instance
    function: Function


def name_of(node: ast.expr) -> str:
    """Return the dotted name of an expression, or ``""``."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])
