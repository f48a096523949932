"""The Python files of a project, and the crews that they define."""

from __future__ import annotations

import ast
import re
import typing as t

from ..draft import Draft
from ..files import Files
from ..import_result import Json
from ..import_result import Place
from ..parsers import Unreadable
from .interpreter import Frame
from .interpreter import Interpreter
from .parsing import Parser
from .schemas import SchemaReader
from .values import Class
from .values import Environment
from .values import Function
from .values import Instance
from .values import Value

_CREW: t.Final = re.compile(r"\bCrew\(|^\s*@crew\b", re.MULTILINE)


class CrewSource(t.NamedTuple):
    """A crew that Python code creates."""

    name: str
    file: str
    value: Value
    """The call of ``Crew``, unless it depends on something."""
    instance: Instance | None = None
    """The object whose decorated methods are its agents and tasks."""

    @property
    def place(self) -> Place:
        """Where it is defined."""
        return Place(self.file) / self.name


class PythonProject:
    """The Python files of an import; each is parsed once, on demand."""

    def __init__(self, files: Files, draft: Draft) -> None:
        self.names = [name for name in files.texts if name.endswith(".py")]
        self._files = files
        self._draft = draft
        self._parser = Parser()
        self._interpreter = Interpreter(self._find_module)
        self._environments: dict[str, Environment] = {}

    def crews(self) -> dict[str, CrewSource]:
        """Return all crews by name."""
        found: dict[str, CrewSource] = {}
        for file in self.names:
            if _CREW.search(self._files.texts[file]):
                for crew in self._guarded(file, self._crews_of) or ():
                    number, name = 2, crew.name
                    while name in found:
                        name, number = f"{crew.name}_{number}", number + 1
                    found[name] = crew._replace(name=name)
        return found

    def find_schema(self, reference: str) -> tuple[Json, Place, list[str]] | None:
        """Return the JSON Schema of a class, where it is, and what the schema does not say."""
        name = re.split(r"[.:]", reference)[-1]
        pattern = re.compile(rf"^\s*class {re.escape(name)}\b", re.MULTILINE)
        for file in self.names:
            if pattern.search(self._files.texts[file]):
                found = self._guarded(file, lambda file: self._schema_of(file, name))
                if found is not None:
                    return t.cast("tuple[Json, Place, list[str]]", found)
        return None

    def _schema_of(self, file: str, name: str) -> tuple[Json, Place, list[str]] | None:
        cls = self._environment(file).get(name)
        if not isinstance(cls, Class):
            return None
        reader = SchemaReader(self._environment(cls.file))
        return reader.schema(cls), Place(cls.file) / name, reader.lost

    def _guarded(self, file: str, read: t.Callable[[str], t.Any]) -> t.Any:
        """Return what *read* makes of a file; None, after a problem, if it is unreadable."""
        try:
            return read(file)
        except Unreadable as error:
            self._draft.refuse(Place(file), *error.problem, breaks=True)
        except RecursionError:
            detail = "This is nested too deeply. Flatten it."
            self._draft.refuse(Place(file), "too-deep", detail, breaks=True)
        return None

    def _environment(self, file: str) -> Environment:
        """Return the names that a file defines.

        :raises Unreadable: if that fails.
        """
        if file not in self._environments:
            self._files.read.add(file)
            names = self._environments[file] = {}
            tree = self._parser.parse(self._files.texts[file])
            self._interpreter.run(tree.body, Frame(file, names, names))
        return self._environments[file]

    def _find_module(self, module: str, level: int) -> Environment | None:
        wanted = [part for part in module.split(".") if part]
        matches = [name for name in self.names if wanted and _is_suffix(_parts(name), wanted)]
        if not matches:
            return None
        return self._environment(max(matches, key=lambda name: len(_parts(name))))

    def _crews_of(self, file: str) -> list[CrewSource]:
        before = len(self._interpreter.crews)
        environment = self._environment(file)
        created = [call for call in self._interpreter.crews[before:] if call.file == file]
        crews = [CrewSource(call.variable or "crew", file, call) for call in created]
        for value in [*environment.values()]:
            if isinstance(value, Class) and value.file == file:
                crews += self._crews_of_class(value, file)
            elif isinstance(value, Function) and value.file == file and _creates_crew(value):
                crews += self._crews_of_function(value, value.node.name, file, None)
        return crews or self._crews_of_script(file)

    def _crews_of_script(self, file: str) -> list[CrewSource]:
        """Return the crews that a file creates only if it is run as a script."""
        before = len(self._interpreter.crews)
        for body, frame in self._interpreter.scripts:
            if frame.file == file:
                self._interpreter.run(body, frame)
        created = self._interpreter.crews[before:]
        return [CrewSource(call.variable or "crew", file, call) for call in created]

    def _crews_of_class(self, cls: Class, file: str) -> list[CrewSource]:
        methods = [each for each in cls.members.values() if isinstance(each, Function)]
        instance = self._interpreter.instance(cls, [], {})
        for each in cls.lineage():
            for name, method in each.members.items():
                if isinstance(method, Function) and "crew" in method.decorators:
                    crew = self.result(instance, name)
                    return [CrewSource(cls.name, file, crew, instance)]
        crews: list[CrewSource] = []
        for method in methods:
            if _creates_crew(method):
                crews += self._crews_of_function(method, cls.name, file, instance)
        return crews

    def _crews_of_function(
        self, function: Function, name: str, file: str, instance: Instance | None
    ) -> list[CrewSource]:
        before = len(self._interpreter.crews)
        self._interpreter.returned(function, [], {}, instance)
        created = [call for call in self._interpreter.crews[before:] if call.file == file]
        return [CrewSource(name, file, call) for call in created]

    def result(self, instance: Instance, name: str) -> Value:
        """Return what a method of an object returns; None if there is no such method."""
        method = instance.cls.find(name)
        if not isinstance(method, Function):
            return None
        return self._interpreter.method(instance, method, [], {})


def _parts(name: str) -> list[str]:
    parts = name.removesuffix(".py").split("/")
    return parts[:-1] if parts[-1] == "__init__" else parts


def _is_suffix(one: list[str], other: list[str]) -> bool:
    length = min(len(one), len(other))
    return length > 0 and one[-length:] == other[-length:]


def _creates_crew(function: Function) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Crew"
        for node in ast.walk(function.node)
    )
