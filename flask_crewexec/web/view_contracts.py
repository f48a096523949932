"""What a view takes and gives, declared where OpenAPI can read it too."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Callable

import marshmallow as ma
from flask import Request
from flask import request
from flask.typing import ResponseReturnValue
from webargs import flaskparser

from ..schemas import GraphRequestSchema
from ..schemas import MAX_WAIT_SECONDS
from ..schemas import refusal
from .problems import MalformedJson
from .problems import UnsupportedMediaType

View = Callable[..., t.Any]


@dataclasses.dataclass
class Docs:
    """What OpenAPI tells about a view."""

    accepts: list[tuple[ma.Schema, str]] = dataclasses.field(default_factory=list)
    answers: list[tuple[ma.Schema | None, int, str | None]] = dataclasses.field(
        default_factory=list
    )


class Parser(flaskparser.FlaskParser):
    """Refuses unknown fields, bodies that are not JSON, and JSON that nobody could read."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012  # as webargs has it
        "json": ma.RAISE,
        "query": ma.RAISE,
        "headers": ma.EXCLUDE,
    }

    def load_json(self, req: Request, schema: ma.Schema) -> t.Any:
        return read_json(req) if req.get_data() else {}

    def handle_error(self, error: ma.ValidationError, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
        (messages,) = t.cast("dict[str, t.Any]", error.messages).values()  # of one location
        raise refusal(messages) from error


def read_json(req: Request) -> t.Any:
    """Return the body as JSON.

    :raises MalformedJson: if it is none.
    :raises UnsupportedMediaType: if it does not claim to be.
    """
    if not req.is_json:
        raise UnsupportedMediaType("Send the body as 'Content-Type: application/json'.")
    try:
        return req.json_module.loads(req.get_data().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise MalformedJson(f"The body cannot be read as JSON: {error}.") from error


_parser = Parser()


def docs_of(view: View) -> Docs:
    """The description of *view*; ``functools.wraps`` hands it from wrapped to wrapper."""
    return t.cast(Docs, view.__dict__.setdefault("_crewexec_docs", Docs()))


def reads(schema: ma.Schema, location: str = "json") -> Callable[[View], View]:
    """Parse a part of the request with *schema* and pass it as the next argument."""

    def decorate(view: View) -> View:
        docs_of(view).accepts.insert(0, (schema, location))
        return _parser.use_args(schema, location=location)(view)

    return decorate


def documents_header(schema: ma.Schema) -> Callable[[View], View]:
    """Describe a header that the view looks at by itself."""

    def decorate(view: View) -> View:
        docs_of(view).accepts.append((schema, "headers"))
        return view

    return decorate


def responds(schema: ma.Schema, status: int = 200) -> Callable[[View], View]:
    """Answer with *status* and what the view returned: JSON that *schema* describes.

    The view may return an :class:`Answer` to add headers.
    """

    def decorate(view: View) -> View:
        documents_response(schema, status)(view)

        @functools.wraps(view)
        def wrapped(*args: t.Any, **kwargs: t.Any) -> ResponseReturnValue:
            body = view(*args, **kwargs)
            answer = body if isinstance(body, Answer) else Answer(body, {})
            return answer.body, status, answer.headers

        return wrapped

    return decorate


def documents_response(
    schema: ma.Schema | None, *statuses: int, media: str | None = None
) -> Callable[[View], View]:
    """Describe the answer of a view that gives its status itself.

    :param media: its type; without one, JSON if there is a *schema*, else there is no body.
    """
    kind = media or (None if schema is None else "application/json")

    def decorate(view: View) -> View:
        docs_of(view).answers.extend((schema, status, kind) for status in statuses)
        return view

    return decorate


def reads_json_document(view: View) -> View:
    """Pass the body, whatever JSON it is, as the next argument: a graph checks itself."""

    @functools.wraps(view)
    def wrapped(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return view(read_json(request), *args, **kwargs)

    docs_of(wrapped).accepts.insert(0, (GraphRequestSchema(), "json"))
    return wrapped


class Answer(t.NamedTuple):
    """An answer with headers of its own."""

    body: dict[str, t.Any]
    headers: dict[str, str]


def wait_preference() -> float:
    """Return how many seconds the client would wait for an end (``Prefer: wait=N``, RFC 7240)."""
    for preference in request.headers.get("Prefer", "").split(","):
        name, _, value = preference.strip().partition("=")
        if name.lower() == "wait" and value.isdecimal():
            return min(float(value), MAX_WAIT_SECONDS)
    return 0.0
