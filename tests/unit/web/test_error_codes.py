"""The catalogue of error codes and the tree of exceptions name every exception."""

from __future__ import annotations

import re

from flask_crewexec import errors
from flask_crewexec.errors import CrewExecError
from flask_crewexec.web.error_codes import ERROR_CODES


def _subclasses(base: type[CrewExecError]) -> set[type[CrewExecError]]:
    direct = {
        each for each in base.__subclasses__() if each.__module__.startswith("flask_crewexec")
    }
    return direct.union(*map(_subclasses, direct))


def test_every_exception_of_the_package_has_a_code_of_its_own() -> None:
    names = {error.__name__ for error in _subclasses(CrewExecError)}
    assert names == {known.exception for known in ERROR_CODES.values()}


def test_every_code_has_a_meaning_and_a_remedy() -> None:
    for code, known in ERROR_CODES.items():
        assert known.meaning.endswith("."), code
        assert known.remedy.endswith("."), code
        assert not known.title.endswith("."), code
        assert 400 <= known.status < 600, code


def test_the_tree_in_the_docstring_has_every_exception() -> None:
    assert errors.__doc__ is not None
    drawn = set(re.findall(r"── (\w+)", errors.__doc__))
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, CrewExecError)
    }
    assert drawn == defined - {"CrewExecError"}
