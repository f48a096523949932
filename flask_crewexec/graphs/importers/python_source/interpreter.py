"""Follows the statements of modules and functions, as far as they do not depend on anything."""

from __future__ import annotations

import ast
import typing as t
from collections.abc import Callable
from collections.abc import Iterator

from ..parsers import Unreadable
from .expressions import evaluate
from .values import Call
from .values import Class
from .values import Computed
from .values import Environment
from .values import Function
from .values import Instance
from .values import Method
from .values import name_of
from .values import Reference
from .values import Value

_MAX_STEPS: t.Final = 60_000
_CHARACTERS_PER_STEP: t.Final = 100
_MAX_DEPTH: t.Final = 40
_IMPORTED_BASES: t.Final = ("BaseTool", "BaseModel", "Agent", "BaseAgent", "Task", "Crew", "Flow")
"""Classes from outside whose subclasses are not interpreted."""

FindModule = Callable[[str, int], Environment | None]
"""Returns the environment of a module in the files, by its name and relative level."""


class Frame(t.NamedTuple):
    """Where code is interpreted."""

    file: str
    variables: Environment
    enclosing: Environment
    """Names of the module, and of functions around this one."""
    is_function: bool = False


class Interpreter:
    """Gives names of the files their values."""

    def __init__(self, find_module: FindModule) -> None:
        self.crews: list[Call] = []
        """All calls of ``Crew`` so far."""
        self.scripts: list[tuple[list[ast.stmt], Frame]] = []
        """What modules do only if they are run as scripts."""
        self._find_module = find_module
        self._steps = 0
        self._depth = 0

    def count_text(self, value: Value) -> None:
        """Count the making of a text or list like so many steps."""
        if isinstance(value, str | list):
            self.count(len(value) // _CHARACTERS_PER_STEP)

    def count(self, steps: int = 1) -> None:
        """Count steps.

        :raises Unreadable: if there are too many.
        """
        self._steps += steps
        if self._steps > _MAX_STEPS:
            detail = (
                "These files take too many steps to read. Send only those that define the crew."
            )
            raise Unreadable("too-complex", detail)

    def run(self, body: list[ast.stmt], frame: Frame) -> Value:
        """Follow statements; return what they return, or None."""
        for statement in body:
            self.count()
            match statement:
                case ast.Return(value=value):
                    return None if value is None else self.evaluate(value, frame)
                case ast.With(body=inner) | ast.AsyncWith(body=inner):
                    if (found := self.run(inner, frame)) is not None:
                        return found
                case ast.If() | ast.For() | ast.AsyncFor() | ast.While() | ast.Try() | ast.Match():
                    if self._skip(statement, frame):
                        return Computed(statement.lineno)
                case _:
                    self._follow(statement, frame)
        return None

    def _follow(self, statement: ast.stmt, frame: Frame) -> None:
        match statement:
            case ast.Assign(targets=targets, value=value):
                found = self.evaluate(value, frame)
                for target in targets:
                    self._assign(target, found, frame)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, self.evaluate(value, frame), frame)
            case ast.AugAssign(target=target):
                self._assign(target, Computed(statement.lineno), frame)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                names = self._names_around(frame)
                frame.variables[statement.name] = Function(statement, frame.file, names)
            case ast.ClassDef():
                frame.variables[statement.name] = self._class(statement, frame)
            case ast.Import() | ast.ImportFrom():
                self._import(statement, frame)
            case ast.Expr(value=ast.Call() as call):
                self._call_for_effect(call, frame)

    def _names_around(self, frame: Frame) -> Environment:
        """Return the names that a function in this frame can use."""
        if not frame.is_function:
            return frame.enclosing
        self.count(len(frame.enclosing))
        return {**frame.enclosing, **frame.variables}

    def _skip(self, statement: ast.stmt, frame: Frame) -> bool:
        """Mark what a conditional statement or loop assigns; return whether it may return."""
        if isinstance(statement, ast.If) and _is_for_scripts(statement.test):
            self.scripts.append((statement.body, frame))
            return False
        if isinstance(statement, ast.Try) and not statement.handlers:
            return self.run(statement.body, frame) is not None
        returns = False
        for node in _inside(statement):
            self.count()
            returns = returns or isinstance(node, ast.Return)
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node, frame)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                frame.variables[node.id] = Computed(node.lineno)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                frame.variables[node.name] = Computed(node.lineno)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                self._spoil(node.func.value, node.lineno, frame)
        return returns

    def _spoil(self, node: ast.expr, line: int, frame: Frame) -> None:
        if isinstance(node, ast.Name) and isinstance(frame.variables.get(node.id), list):
            frame.variables[node.id] = Computed(line)

    def _assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        match target:
            case ast.Name(id=name):
                frame.variables[name] = value
                _name(value, name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                owner = frame.variables.get("self")
                if isinstance(owner, Instance):
                    owner.attributes[name] = value
                    _name(value, name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                values = value if isinstance(value, list) and len(value) == len(parts) else None
                for at, part in enumerate(parts):
                    found = Computed(target.lineno) if values is None else values[at]
                    self._assign(part, found, frame)
            case ast.Attribute(value=owner_node, attr=name):
                owner = self.evaluate(owner_node, frame)
                if isinstance(owner, Call):
                    owner.keywords[name] = value
            case ast.Subscript(value=owner_node):
                self._spoil(owner_node, target.lineno, frame)

    def _call_for_effect(self, call: ast.Call, frame: Frame) -> None:
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr="append" | "extend" as method):
                items = frame.variables.get(name)
                if isinstance(items, list) and len(call.args) == 1:
                    found = self.evaluate(call.args[0], frame)
                    more = [found] if method == "append" else found
                    whole = isinstance(more, list)
                    frame.variables[name] = [*items, *more] if whole else Computed(call.lineno)
                    return
            case ast.Attribute(value=owner):
                self._spoil(owner, call.lineno, frame)
        self.evaluate(call, frame)

    def _class(self, node: ast.ClassDef, frame: Frame) -> Class:
        bases = [self.evaluate(base, frame) for base in node.bases if name_of(base) != "object"]
        cls = Class(node, frame.file, bases)
        self.run(node.body, Frame(frame.file, cls.members, self._names_around(frame)))
        return cls

    def _import(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if isinstance(node, ast.Import):
                frame.variables[name] = Reference(alias.name if alias.asname else name)
                continue
            module = self._find_module(node.module or "", node.level)
            value = None if module is None else module.get(alias.name)
            outside = f"{node.module}.{alias.name}" if node.module else alias.name
            frame.variables[name] = Reference(outside) if value is None else value

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """Return what an expression stands for."""
        self.count()
        if self._depth > _MAX_DEPTH:
            return Computed(node.lineno)
        self._depth += 1
        try:
            return evaluate(self, node, frame)
        finally:
            self._depth -= 1

    def call(self, function: Value, node: ast.Call, frame: Frame) -> Value:
        """Return what a call of something in the files returns; None if it is outside."""
        arguments = [self.evaluate(each, frame) for each in node.args]
        keywords = {
            each.arg: self.evaluate(each.value, frame) for each in node.keywords if each.arg
        }
        match function:
            case Function():
                return self.returned(function, arguments, keywords, None)
            case Method(instance=instance, function=method):
                return self.method(instance, method, arguments, keywords)
            case Class() if not _is_foreign(function):
                return self.instance(function, arguments, keywords)
            case _:
                return None

    def instance(self, cls: Class, arguments: list[Value], keywords: Environment) -> Instance:
        """Return a new object of a class."""
        instance = Instance(cls)
        initialize = cls.find("__init__")
        if isinstance(initialize, Function):
            self.returned(initialize, arguments, keywords, instance)
        return instance

    def method(
        self,
        instance: Instance,
        method: Function,
        arguments: list[Value],
        keywords: Environment,
    ) -> Value:
        """Return what a method returns; a decorated one is called once, as in CrewAI."""
        if not method.decorators or arguments or keywords:
            return self.returned(method, arguments, keywords, instance)
        name = method.node.name
        if name not in instance.results:
            instance.results[name] = Computed(method.node.lineno)  # for one that calls itself
            found = self.returned(method, arguments, keywords, instance)
            instance.results[name] = found
            _name(found, name)
        return instance.results[name]

    def returned(
        self,
        function: Function,
        arguments: list[Value],
        keywords: Environment,
        instance: Instance | None,
    ) -> Value:
        """Return what a function returns; parameters without a value stay names."""
        names = [each.arg for each in (*function.node.args.posonlyargs, *function.node.args.args)]
        given: list[Value] = list(arguments)
        if instance is not None and "staticmethod" not in function.decorators:
            given.insert(0, instance)
        variables: Environment = {name: Reference(name) for name in names}
        frame = Frame(function.file, variables, function.environment, is_function=True)
        self._add_defaults(function.node.args, frame)
        variables.update(zip(names, given, strict=False))
        variables.update(keywords)
        found = self.run(function.node.body, frame)
        return Computed(function.node.lineno) if found is None else found

    def _add_defaults(self, arguments: ast.arguments, frame: Frame) -> None:
        names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        for name, default in zip(reversed(names), reversed(arguments.defaults), strict=False):
            frame.variables[name] = self.evaluate(default, frame)
        for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=False):
            given = Reference(each.arg) if value is None else self.evaluate(value, frame)
            frame.variables[each.arg] = given


def _is_foreign(cls: Class) -> bool:
    return any(base.last in _IMPORTED_BASES for base in cls.outside_bases())


def _name(value: Value, variable: str) -> None:
    if isinstance(value, Call) and value.variable is None:
        value.variable = variable


def _is_for_scripts(test: ast.expr) -> bool:
    """Return whether a condition only holds in a script."""
    return isinstance(test, ast.Compare) and name_of(test.left) == "__name__"


def _inside(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the nodes in a statement, except those of functions and classes in it."""
    pending: list[ast.AST] = [*ast.iter_child_nodes(statement)]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
