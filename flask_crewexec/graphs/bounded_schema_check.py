"""Validation with a JSON Schema, with a limit on its work.

A short schema and a long answer can keep a validator busy for hours: each item of a list may be
compared with hundreds of schemas, and each comparison writes a message that quotes the item.
"""

from __future__ import annotations

import functools
import itertools
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextvars import ContextVar

if t.TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_MAX_STEPS: t.Final = 500_000
"""Takes a few seconds."""
_MAX_ERRORS: t.Final = 100
"""Number of errors from which the most relevant is chosen."""
_NAMES_PER_STEP: t.Final = 20
_CHARS_PER_STEP: t.Final = 100

_Check = Callable[..., t.Any]

_steps: ContextVar[Iterator[int]] = ContextVar("crewexec_check_steps")


class TooMuchWork(Exception):
    """The validation exceeded its limit."""


def find_error(schema: Mapping[str, t.Any], value: object) -> ValidationError | None:
    """Return the most relevant error of *value*, or None if it is valid.

    :raises TooMuchWork: if the validation takes too long.
    """
    from jsonschema.exceptions import best_match

    token = _steps.set(iter(range(_MAX_STEPS)))
    try:
        errors = _validator()(schema).iter_errors(value)
        return t.cast("ValidationError | None", best_match(itertools.islice(errors, _MAX_ERRORS)))
    finally:
        _steps.reset(token)


@functools.cache
def _validator() -> t.Any:
    from jsonschema import Draft202012Validator  # imported late: only graphs with a schema need it
    from jsonschema.validators import extend

    checks = Draft202012Validator.VALIDATORS.items()
    counted = {name: _counted(check) for name, check in checks}
    return extend(Draft202012Validator, counted)  # type: ignore[no-untyped-call]


def _counted(check: _Check) -> _Check:
    def run(validator: t.Any, keyword: t.Any, value: object, schema: object) -> Iterator[t.Any]:
        _count(len(keyword) // _NAMES_PER_STEP if isinstance(keyword, dict | list) else 0)
        for error in check(validator, keyword, value, schema) or ():
            _count(len(error.message) // _CHARS_PER_STEP)
            yield error

    return run


def _count(steps: int) -> None:
    """Count one step and *steps* more.

    :raises TooMuchWork: if no more are left.
    """
    if next(itertools.islice(_steps.get(), steps, None), None) is None:
        raise TooMuchWork
