"""Descriptions of operations as methods of the clients, for ``help`` and the documentation."""

from __future__ import annotations

import inspect
import re
import typing as t
from collections.abc import Callable

F = t.TypeVar("F", bound=Callable[..., t.Any])


def describe(operation: Callable[..., t.Any], result: str) -> Callable[[F], F]:
    """Give a method the name, text and signature of an operation.

    :param result: what it returns, such as ``"Iterator[{}]"``.
    """

    def decorate(method: F) -> F:
        signature = _signature(operation, result)
        method.__name__ = operation.__name__
        method.__doc__ = operation.__doc__
        method.__annotations__ = {"return": signature.return_annotation}
        method.__dict__["__signature__"] = signature
        return method

    return decorate


def _signature(operation: Callable[..., t.Any], result: str) -> inspect.Signature:
    signature = inspect.signature(operation)
    parameters = (
        each.replace(annotation=_without_modules(each.annotation))
        for each in signature.parameters.values()
    )
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    returned = _without_modules(signature.return_annotation)
    value = returned.partition("[")[2].removesuffix("]")
    return signature.replace(parameters=[own, *parameters], return_annotation=result.format(value))


def _without_modules(annotation: str) -> str:
    return re.sub(r"\b\w+\.", "", annotation)
