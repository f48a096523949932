"""Arguments of tool calls as JSON: what people see of them, and what digests are made of."""

from __future__ import annotations

import json
import typing as t

Json = dict[str, t.Any]


def as_json(arguments: Json) -> Json:
    """Return validated arguments as JSON that is the same in each process."""
    converted: Json = _converted(arguments)
    return converted


def _converted(value: t.Any) -> t.Any:
    from pydantic_core import to_jsonable_python

    if isinstance(value, dict):
        return {str(key): _converted(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_converted(each) for each in value]
    if isinstance(value, set | frozenset):  # whose order depends on the process
        return sorted(map(_converted, value), key=_encode)
    return to_jsonable_python(value, fallback=str, bytes_mode="base64", inf_nan_mode="strings")


_encode: t.Final = json.JSONEncoder(sort_keys=True).encode
