"""Known values of strings to which later versions may add: codes of errors and problems."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable
from collections.abc import Mapping

from werkzeug.exceptions import default_exceptions

from ...graphs import PROBLEM_CODES
from ...schemas import FAILURE_CODES
from ...schemas.validation import INVALID_FIELD
from ..error_codes import ERROR_CODES
from ..problems import http_code

Json = dict[str, t.Any]


class KnownValues(t.NamedTuple):
    """Values that a string may have today."""

    description: str
    values: Iterable[str]


KNOWN_VALUES: t.Final[Mapping[str, KnownValues]] = {
    "ErrorCode": KnownValues(
        "Codes of requests that cannot be fulfilled; later versions may add some",
        {*ERROR_CODES, *map(http_code, default_exceptions)},
    ),
    "ProblemCode": KnownValues(
        "Codes of single problems of a request; later versions may add some",
        {*ERROR_CODES, *PROBLEM_CODES, INVALID_FIELD},
    ),
    "FailureCode": KnownValues(
        "Codes of failed executions; later versions may add some", set(FAILURE_CODES)
    ),
}
"""By the name of the component; fields name it in their metadata as ``known_values``."""


def enumeration(name: str) -> Json:
    """Return the component that lists the values."""
    known = KNOWN_VALUES[name]
    return {"type": "string", "description": known.description, "enum": sorted(known.values)}
