"""JSON Schemas of Pydantic classes, read as text."""

from __future__ import annotations

import ast
import re
import typing as t

from ...problem_messages import quote
from ..import_result import Json
from .values import Class
from .values import Computed
from .values import Environment
from .values import name_of
from .values import Reference

_TYPES: t.Final[dict[str, Json]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "Decimal": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "list": {"type": "array"},
    "List": {"type": "array"},
    "tuple": {"type": "array"},
    "Tuple": {"type": "array"},
    "set": {"type": "array"},
    "Set": {"type": "array"},
    "Sequence": {"type": "array"},
    "dict": {"type": "object"},
    "Dict": {"type": "object"},
    "Mapping": {"type": "object"},
    "Any": {},
    "object": {},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "UUID": {"type": "string", "format": "uuid"},
    "HttpUrl": {"type": "string", "format": "uri"},
    "AnyUrl": {"type": "string", "format": "uri"},
    "EmailStr": {"type": "string", "format": "email"},
}
_BOUNDS: t.Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
_LENGTHS: t.Final = {
    "min_length": ("minLength", "minItems"),
    "max_length": ("maxLength", "maxItems"),
    "min_items": ("minItems", "minItems"),
    "max_items": ("maxItems", "maxItems"),
}
_ENUMS: t.Final = ("Enum", "StrEnum", "IntEnum")
_CHECKS: t.Final = ("field_validator", "model_validator", "validator", "root_validator")
_MAX_DEPTH: t.Final = 20


class SchemaReader:
    """Makes a schema of a class and of those that it contains."""

    def __init__(self, environment: Environment) -> None:
        self.lost: list[str] = []
        """What the schema does not say, as sentences."""
        self._environment = environment
        self._definitions: dict[str, Json] = {}
        self._open: set[str] = set()

    def schema(self, cls: Class) -> Json:
        """Return the JSON Schema of *cls*."""
        schema = self._object(cls)
        return {**schema, "$defs": self._definitions} if self._definitions else schema

    def _object(self, cls: Class) -> Json:
        self._open.add(cls.name)
        properties: dict[str, Json] = {}
        required: dict[str, bool] = {}
        for each in reversed(cls.lineage()):
            for statement in each.node.body:
                self._read_statement(statement, properties, required)
        self._open.discard(cls.name)
        needed = [name for name, is_required in required.items() if is_required]
        described = {"description": text} if (text := ast.get_docstring(cls.node)) else {}
        listed = {"required": needed} if needed else {}
        return {
            "title": cls.name,
            **described,
            "type": "object",
            "properties": properties,
            **listed,
        }

    def _read_statement(
        self, statement: ast.stmt, properties: dict[str, Json], required: dict[str, bool]
    ) -> None:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                if name.startswith("_") or name == "model_config" or _is_class_variable(annotation):
                    return
                properties[name], has_default = self._field(annotation, value)
                required[name] = not has_default
            case ast.FunctionDef(name=name, decorator_list=decorators):
                if any(name_of(each).rpartition(".")[2] in _CHECKS for each in decorators):
                    self.lost.append(f"The function {quote(name)} checks or changes answers.")

    def _field(self, annotation: ast.expr, value: ast.expr | None) -> tuple[Json, bool]:
        schema = self._type(annotation, 0)
        if value is None:
            return schema, False
        if not isinstance(value, ast.Call):
            return self._with_default(schema, value), _is_given(value)
        return self._with_arguments(schema, value)

    def _with_default(self, schema: Json, value: ast.expr) -> Json:
        if isinstance(value, ast.Constant) and isinstance(value.value, str | int | float):
            return {**schema, "default": value.value}
        return schema

    def _with_arguments(self, schema: Json, call: ast.Call) -> tuple[Json, bool]:
        """Return a schema with what ``Field(…)`` says, and whether there is a default."""
        has_default = bool(call.args) and _is_given(call.args[0])
        if call.args and has_default:
            schema = self._with_default(schema, call.args[0])
        for argument in call.keywords:
            name, value = argument.arg or "", argument.value
            constant = value.value if isinstance(value, ast.Constant) else None
            if name in ("default", "default_factory"):
                has_default = has_default or _is_given(value)
                schema = self._with_default(schema, value)
            elif name in ("description", "title") and isinstance(constant, str):
                schema = {**schema, name: constant}
            elif isinstance(constant, int | float) and name in _BOUNDS:
                schema = {**schema, _BOUNDS[name]: constant}
            elif isinstance(constant, int) and name in _LENGTHS:
                schema = {**schema, _LENGTHS[name][schema.get("type") == "array"]: constant}
            elif name in ("pattern", "regex", "alias", "multiple_of", "discriminator"):
                self.lost.append(f"The argument {quote(name)} of a field is left out.")
        return schema, has_default

    def _type(self, node: ast.expr, depth: int) -> Json:
        if depth > _MAX_DEPTH:
            return self._unknown(node)
        match node:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str() as text):
                return self._quoted(text, node, depth)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return _any_of([self._type(left, depth + 1), self._type(right, depth + 1)])
            case ast.Subscript(value=outer, slice=inner):
                parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                return self._generic(name_of(outer).rpartition(".")[2], parts, node, depth)
            case ast.Name() | ast.Attribute():
                return self._named(name_of(node), node)
            case _:
                return self._unknown(node)

    def _quoted(self, text: str, node: ast.expr, depth: int) -> Json:
        """Return the schema of an annotation that is a text, such as ``"list[Item]"``."""
        if not re.fullmatch(r"[\w\[\]., |]{1,200}", text):
            return self._unknown(node)
        try:
            return self._type(ast.parse(text.strip(), mode="eval").body, depth + 1)
        except SyntaxError:
            return self._unknown(node)

    def _generic(self, outer: str, parts: list[ast.expr], node: ast.expr, depth: int) -> Json:
        match outer:
            case "Optional":
                return _any_of([self._type(parts[0], depth + 1), {"type": "null"}])
            case "Union":
                return _any_of([self._type(part, depth + 1) for part in parts])
            case "Annotated":
                return self._annotated(parts, depth)
            case "Literal":
                values = [part.value for part in parts if isinstance(part, ast.Constant)]
                return {"enum": values} if len(values) == len(parts) else self._unknown(node)
            case "list" | "List" | "set" | "Set" | "Sequence" | "tuple" | "Tuple":
                kinds = [part for part in parts if not _is_ellipsis(part)]
                items = [self._type(part, depth + 1) for part in kinds]
                return {"type": "array", "items": _any_of(items)}
            case "dict" | "Dict" | "Mapping" if len(parts) == 2:
                return {
                    "type": "object",
                    "additionalProperties": self._type(parts[1], depth + 1),
                }
            case _:
                return self._unknown(node)

    def _annotated(self, parts: list[ast.expr], depth: int) -> Json:
        schema = self._type(parts[0], depth + 1)
        for part in parts[1:]:
            if isinstance(part, ast.Call):
                schema, _ = self._with_arguments(schema, part)
        return schema

    def _named(self, name: str, node: ast.expr) -> Json:
        value = self._environment.get(name.partition(".")[0])
        if isinstance(value, Class):
            return self._contained(value, node)
        last = value.last if isinstance(value, Reference) else name.rpartition(".")[2]
        if isinstance(value, Computed) or last not in _TYPES:
            return self._unknown(node)
        return dict(_TYPES[last])

    def _contained(self, cls: Class, node: ast.expr) -> Json:
        if any(base.last in _ENUMS for base in cls.outside_bases()):
            values = [each for each in cls.members.values() if isinstance(each, str | int | float)]
            return {"enum": values}
        if cls.name in self._open:
            self.lost.append(f"The class {quote(cls.name)} contains itself, which has no end.")
            return {"type": "object"}
        if cls.name not in self._definitions:
            self._definitions[cls.name] = {}
            self._definitions[cls.name] = self._object(cls)
        return {"$ref": f"#/$defs/{cls.name}"}

    def _unknown(self, node: ast.expr) -> Json:
        self.lost.append(f"The type of line {node.lineno} is not known here, so any value fits.")
        return {}


def _any_of(schemas: list[Json]) -> Json:
    unique = [schema for at, schema in enumerate(schemas) if schema not in schemas[:at]]
    if {} in unique or not unique:
        return {}
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def _is_given(node: ast.expr) -> bool:
    return not _is_ellipsis(node)


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _is_class_variable(annotation: ast.expr) -> bool:
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return name_of(outer).rpartition(".")[2] == "ClassVar"
