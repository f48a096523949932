"""``.. error-codes::``, ``.. problem-codes::`` and ``.. failure-codes::`` describe every code."""

from __future__ import annotations

from http import HTTPStatus

from generated import entry
from generated import GeneratedDirective
from generated import Lines
from generated import phrase
from sphinx.application import Sphinx

from flask_crewexec.graphs import PROBLEM_CODES
from flask_crewexec.schemas import FAILURE_CODES
from flask_crewexec.schemas import FailureCode
from flask_crewexec.web.error_codes import ERROR_CODES
from flask_crewexec.web.error_codes import ErrorCode


class ErrorCodesDirective(GeneratedDirective):
    """Takes no content."""

    has_content = False

    def lines(self) -> Lines:
        """Yield a description of each code of an error, by name."""
        for code, known in sorted(ERROR_CODES.items()):
            yield from entry("error-code", code, _describe_error(known))


def _describe_error(known: ErrorCode) -> Lines:
    yield from (phrase(known.meaning), "")
    yield f":Status: {known.status} {HTTPStatus(known.status).phrase}"
    yield f":Exception: ``{known.exception}``"
    yield f":Remedy: {phrase(known.remedy)}"


class ProblemCodesDirective(GeneratedDirective):
    """Takes no content."""

    has_content = False

    def lines(self) -> Lines:
        """Yield a description of each code of a problem of a graph or of inputs, by name."""
        for code, meaning in sorted(PROBLEM_CODES.items()):
            yield from entry("problem-code", code, [phrase(meaning)])


class FailureCodesDirective(GeneratedDirective):
    """Takes no content."""

    has_content = False

    def lines(self) -> Lines:
        """Yield a description of each code of a failed execution, by name."""
        for code, known in sorted(FAILURE_CODES.items()):
            yield from entry("failure-code", code, _describe_failure(known))


def _describe_failure(known: FailureCode) -> Lines:
    yield from (phrase(known.meaning), "")
    yield f":Remedy: {phrase(known.remedy)}"
    if known.transient:
        yield ":Retried: automatically"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives and the kinds of objects that they describe."""
    app.add_object_type("error-code", "error-code", "pair: %s; error code")
    app.add_object_type("problem-code", "problem-code", "pair: %s; problem code")
    app.add_object_type("failure-code", "failure-code", "pair: %s; failure code")
    app.add_directive("error-codes", ErrorCodesDirective)
    app.add_directive("problem-codes", ProblemCodesDirective)
    app.add_directive("failure-codes", FailureCodesDirective)
    return {"parallel_read_safe": True}
