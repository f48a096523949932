"""What single expressions of Python stand for."""

from __future__ import annotations

import ast
import inspect
import textwrap
import typing as t

from ...placeholders import is_name
from .values import Call
from .values import Class
from .values import Computed
from .values import Function
from .values import Instance
from .values import Method
from .values import name_of
from .values import Reference
from .values import Value

if t.TYPE_CHECKING:
    from .interpreter import Frame
    from .interpreter import Interpreter

_MAX_TEXT: t.Final = 100_000
_MAX_ITEMS: t.Final = 1000
_ENVIRONMENT: t.Final = ("os.getenv", "getenv", "os.environ.get", "environ.get")
_CONFIGS: t.Final = ("agents_config", "tasks_config")
"""Attributes of crews that CrewAI replaces by the contents of YAML files."""
_TEXT_METHODS: t.Final = ("strip", "lstrip", "rstrip", "lower", "upper", "title")


def evaluate(interpreter: Interpreter, node: ast.expr, frame: Frame) -> Value:
    """Return what an expression stands for."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.Name(id=name):
            return _look_up(name, frame)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return _items(interpreter, node, items, frame)
        case ast.Dict():
            return _members(interpreter, node, frame)
        case ast.JoinedStr(values=parts):
            return _joined(interpreter, node, parts, frame)
        case ast.Attribute(value=owner, attr=name):
            return _attribute(interpreter.evaluate(owner, frame), name, node)
        case ast.Subscript(value=owner, slice=key):
            return _subscript(
                interpreter.evaluate(owner, frame), interpreter.evaluate(key, frame), node
            )
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            found = _sum(
                interpreter.evaluate(left, frame), interpreter.evaluate(right, frame), node
            )
            interpreter.count_text(found)
            return found
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            value = interpreter.evaluate(operand, frame)
            return not value if isinstance(value, bool) else Computed(node.lineno)
        case ast.BoolOp(op=ast.Or(), values=values):
            return _first_true(interpreter, values, frame)
        case ast.Call():
            return _call(interpreter, node, frame)
        case ast.Await(value=value):
            return interpreter.evaluate(value, frame)
        case ast.Lambda():
            return Reference("lambda")
        case _:
            return Computed(node.lineno)


def _look_up(name: str, frame: Frame) -> Value:
    for environment in (frame.variables, frame.enclosing):
        if name in environment:
            return environment[name]
    return Reference(name)


def _items(interpreter: Interpreter, node: ast.expr, items: list[ast.expr], frame: Frame) -> Value:
    found: list[Value] = []
    for item in items:
        if isinstance(item, ast.Starred):
            more = interpreter.evaluate(item.value, frame)
            interpreter.count_text(more)
            found += more if isinstance(more, list) else [_unpacked(more, item)]
        else:
            found.append(interpreter.evaluate(item, frame))
        if len(found) > _MAX_ITEMS:
            return Computed(node.lineno)
    return found


def _unpacked(value: Value, node: ast.expr) -> Value:
    return value if isinstance(value, Call) else Computed(node.lineno)


def _members(interpreter: Interpreter, node: ast.Dict, frame: Frame) -> Value:
    members: dict[str, Value] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        found = interpreter.evaluate(value, frame)
        name = None if key is None else interpreter.evaluate(key, frame)
        if key is None and isinstance(found, dict):
            members.update(found)
        elif isinstance(name, str):
            members[name] = found
        else:
            return Computed(node.lineno)
        if len(members) > _MAX_ITEMS:
            return Computed(node.lineno)
    return members


def _joined(interpreter: Interpreter, node: ast.expr, parts: list[ast.expr], frame: Frame) -> Value:
    texts: list[str] = []
    for part in parts:
        text = _part(interpreter, part, frame)
        if text is None or sum(map(len, texts)) > _MAX_TEXT:
            return Computed(node.lineno)
        texts.append(text)
    interpreter.count_text("".join(texts))
    return "".join(texts)


def _part(interpreter: Interpreter, part: ast.expr, frame: Frame) -> str | None:
    """Return a part of an f-string; a plain name without a value becomes an input."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    if not isinstance(part, ast.FormattedValue) or part.format_spec or part.conversion != -1:
        return None
    value = interpreter.evaluate(part.value, frame)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    name = name_of(part.value).removeprefix("self.")
    is_input = isinstance(value, Reference | Computed) and not isinstance(part.value, ast.Call)
    return "{" + name + "}" if is_input and is_name(name) else None


def _attribute(owner: Value, name: str, node: ast.expr) -> Value:
    if isinstance(owner, Instance):
        if name in _CONFIGS:
            return Reference(f"self.{name}")
        if name in owner.attributes:
            return owner.attributes[name]
        found = owner.cls.find(name)
        if isinstance(found, Function):
            return Method(owner, found)
        return Reference(f"self.{name}") if found is None else found
    if isinstance(owner, Class):
        found = owner.find(name)
        return Reference(f"{owner.name}.{name}") if found is None else found
    if isinstance(owner, Reference):
        return Reference(f"{owner.name}.{name}")
    if isinstance(owner, Call) and name in owner.keywords:
        return owner.keywords[name]
    return Computed(node.lineno)


def _subscript(owner: Value, key: Value, node: ast.expr) -> Value:
    if isinstance(owner, dict) and isinstance(key, str) and key in owner:
        return owner[key]
    if isinstance(owner, list) and isinstance(key, int) and -len(owner) <= key < len(owner):
        return owner[key]
    if isinstance(owner, Reference) and isinstance(key, str):
        return Reference(f"{owner.name}[{key}]")
    return Computed(node.lineno)


def _sum(left: Value, right: Value, node: ast.expr) -> Value:
    if isinstance(left, str) and isinstance(right, str) and len(left) + len(right) <= _MAX_TEXT:
        return left + right
    if isinstance(left, list) and isinstance(right, list) and len(left) + len(right) <= _MAX_ITEMS:
        return left + right
    return Computed(node.lineno)


def _first_true(interpreter: Interpreter, values: list[ast.expr], frame: Frame) -> Value:
    for node in values:
        value = interpreter.evaluate(node, frame)
        if value or isinstance(value, Computed):
            return value
    return value


def _call(interpreter: Interpreter, node: ast.Call, frame: Frame) -> Value:
    name = name_of(node.func)
    if name in _ENVIRONMENT:
        return _environment(interpreter, node, frame)
    if name.rpartition(".")[2] in ("dedent", "cleandoc") and len(node.args) == 1:
        found = _dedented(interpreter.evaluate(node.args[0], frame), name, node)
        interpreter.count_text(found)
        return found
    if isinstance(node.func, ast.Attribute):
        owner = interpreter.evaluate(node.func.value, frame)
        if isinstance(owner, str):
            found = _text_method(owner, node.func.attr, node)
            interpreter.count_text(found)
            return found
        function = _attribute(owner, node.func.attr, node)
    else:
        function = interpreter.evaluate(node.func, frame)
    found = interpreter.call(function, node, frame)
    if found is not None:
        return found
    if isinstance(function, Class):
        return _outside_call(interpreter, function.name, node, frame, _literal_name(function))
    if isinstance(function, Reference):
        return _outside_call(interpreter, function.name, node, frame)
    return Computed(node.lineno)


def _outside_call(
    interpreter: Interpreter,
    name: str,
    node: ast.Call,
    frame: Frame,
    literal_name: str | None = None,
) -> Call:
    keywords: dict[str, Value] = {}
    for each in node.keywords:
        value = interpreter.evaluate(each.value, frame)
        if each.arg is not None:
            keywords[each.arg] = value
        elif isinstance(value, dict):
            keywords.update(value)
        elif isinstance(value, Reference) and "_config[" in value.name:
            keywords["config"] = value  # CrewAI gives fields of a configuration the same meaning
        else:
            keywords["**"] = Computed(node.lineno)
    positional = [interpreter.evaluate(each, frame) for each in node.args]
    call = Call(name, positional, keywords, node, frame.file, None, literal_name)
    if call.last == "Crew":
        interpreter.crews.append(call)
    return call


def _environment(interpreter: Interpreter, node: ast.Call, frame: Frame) -> Value:
    """Return the default of a variable of the environment, which is never read."""
    defaults = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "default")]
    if not defaults:
        return Computed(node.lineno)
    return interpreter.evaluate(defaults[0], frame)


def _dedented(text: Value, name: str, node: ast.expr) -> Value:
    if not isinstance(text, str):
        return text if isinstance(text, Computed) else Computed(node.lineno)
    return textwrap.dedent(text) if name.endswith("dedent") else inspect.cleandoc(text)


def _text_method(text: str, method: str, node: ast.Call) -> Value:
    if method in _TEXT_METHODS and not node.args and not node.keywords:
        return getattr(text, method)()
    return Computed(node.lineno)


def _literal_name(cls: Class) -> str | None:
    """Return what a class of tools in the files calls them."""
    name = cls.find("name")
    return name if isinstance(name, str) else None
