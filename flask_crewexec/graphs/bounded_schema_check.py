"""A check against a JSON Schema that comes to an end.

A short schema and a long answer can keep a check busy for hours: each item of a list may be
compared with hundreds of schemas, and each comparison writes a sentence that quotes the item.
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
"""Some seconds of work."""
_MAX_ERRORS: t.Final = 100
"""Of these the one is told that says most."""
_NAMES_PER_STEP: t.Final = 20
_CHARS_PER_STEP: t.Final = 100

_Check = Callable[..., t.Any]

_steps: ContextVar[Iterator[int]] = ContextVar("crewexec_check_steps")


class TooMuchWork(Exception):
    """The check was given up."""


def find_error(schema: Mapping[str, t.Any], value: object) -> ValidationError | None:
    """Return what is most wrong with *value*, if anything is.

    :raises TooMuchWork: if that takes too long to say.
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
    from jsonschema import Draft202012Validator  # only graphs with a schema need it
    from jsonschema.validators import extend

    checks = Draft202012Validator.VALIDATORS.items()
    counted = {name: _counted(check) for name, check in checks}
    return extend(Draft202012Validator, counted)  # type: ignore[no-untyped-call]


def _counted(check: _Check) -> _Check:
    def run(validator: t.Any, said: t.Any, value: object, schema: object) -> Iterator[t.Any]:
        _take(len(said) // _NAMES_PER_STEP if isinstance(said, dict | list) else 0)
        for error in check(validator, said, value, schema) or ():
            _take(len(error.message) // _CHARS_PER_STEP)
            yield error

    return run


def _take(steps: int) -> None:
    """Take one step, and *steps* more."""
    if next(itertools.islice(_steps.get(), steps, None), None) is None:
        raise TooMuchWork
