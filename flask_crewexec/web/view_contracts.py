"""Decorators that declare the requests and responses of a view, also for OpenAPI."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Callable

import marshmallow as ma
from flask import Request
from flask import request
from flask import Response
from flask.typing import ResponseReturnValue
from webargs.multidictproxy import MultiDictProxy

from ..schemas import GraphRequestSchema
from ..schemas import invalid_request
from ..schemas import MAX_WAIT_SECONDS
from .archives import FORM
from .archives import read_upload
from .problems import MalformedJson
from .problems import UnsupportedMediaType

View = Callable[..., t.Any]

BODIES: t.Final = ("json", "project")
"""Locations of bodies: JSON, or a form with a project as an archive, too."""


class DocumentedResponse(t.NamedTuple):
    """A response for OpenAPI."""

    schema: ma.Schema | None
    status: int
    media: str | None
    """Media type of the body; None if it has none."""


@dataclasses.dataclass
class Docs:
    """Description of a view for OpenAPI."""

    requests: list[tuple[ma.Schema, str]] = dataclasses.field(default_factory=list)
    """Schemas and the locations that they describe."""
    responses: list[DocumentedResponse] = dataclasses.field(default_factory=list)
    headers: list[str] = dataclasses.field(default_factory=list)
    """Names of headers of responses with the status 2xx."""


class _Reader:
    """Loads a part of the request, of which often nothing is there, such as optional headers.

    webargs does the same with more detours, which would take longer than the loading itself.
    """

    def __init__(self, schema: ma.Schema, location: str) -> None:
        self._schema = schema
        self._location = location
        self._names = [field.data_key or name for name, field in schema.load_fields.items()]
        is_optional = location not in BODIES and not _needs_loading(schema)
        self._defaults: dict[str, t.Any] | None = schema.load({}) if is_optional else None

    def load(self) -> t.Any:
        """Return the loaded values; unknown fields are rejected, except headers.

        :raises InvalidRequest: with every problem.
        """
        req: Request = request._get_current_object()  # type: ignore[attr-defined]
        if self._location == "project" and req.mimetype == FORM:
            return self._load(read_upload(req))
        if self._location in BODIES:
            return self._load(read_json(req) if req.get_data() else {})
        given = req.headers if self._location == "headers" else req.args
        if self._defaults is not None and self._is_absent(given):
            return {**self._defaults}
        return self._load(MultiDictProxy(t.cast(t.Any, given), self._schema))

    def _is_absent(self, given: t.Any) -> bool:
        if self._location == "headers":
            return not any(name in given for name in self._names)
        return not given

    def _load(self, given: t.Any) -> t.Any:
        unknown: t.Literal["exclude", "raise"]
        unknown = "exclude" if self._location == "headers" else "raise"
        try:
            return self._schema.load(given, unknown=unknown)
        except ma.ValidationError as error:
            raise invalid_request(error.messages) from error


def _needs_loading(schema: ma.Schema) -> bool:
    """Return whether a field is required, or its default may differ from time to time."""
    return any(each.required or callable(each.load_default) for each in schema.load_fields.values())


def read_json(req: Request) -> t.Any:
    """Return the parsed body.

    :raises MalformedJson: if it is not valid JSON.
    :raises UnsupportedMediaType: if its content type is not JSON.
    """
    if not req.is_json:
        raise UnsupportedMediaType("Send the body as 'Content-Type: application/json'.")
    try:
        return req.json_module.loads(req.get_data().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise MalformedJson(f"The body is not valid JSON: {error}.") from error


def docs_of(view: View) -> Docs:
    """Return the description of *view*, which ``functools.wraps`` copies to wrappers."""
    return t.cast(Docs, view.__dict__.setdefault("_crewexec_docs", Docs()))


def reads(schema: ma.Schema, location: str = "json") -> Callable[[View], View]:
    """Parse a part of the request with *schema* and pass it as the next argument."""

    def decorate(view: View) -> View:
        docs_of(view).requests.insert(0, (schema, location))
        reader = _Reader(schema, location)

        @functools.wraps(view)
        def wrapped(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return view(*args, reader.load(), **kwargs)

        return wrapped

    return decorate


def documents_header(schema: ma.Schema) -> Callable[[View], View]:
    """Describe a header that the view reads itself."""

    def decorate(view: View) -> View:
        docs_of(view).requests.append((schema, "headers"))
        return view

    return decorate


def responds(schema: ma.Schema, status: int = 200) -> Callable[[View], View]:
    """Respond with *status* and the view's result as JSON, which *schema* describes.

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
    """Describe the response of a view that sets its status itself.

    :param media: media type of the body; by default JSON if there is a *schema*, else no body.
    """
    media_type = media or (None if schema is None else "application/json")

    def decorate(view: View) -> View:
        responses = [DocumentedResponse(schema, status, media_type) for status in statuses]
        docs_of(view).responses.extend(responses)
        return view

    return decorate


def documents_headers_of_response(*names: str) -> Callable[[View], View]:
    """Name the headers that the view sends when all is well."""

    def decorate(view: View) -> View:
        docs_of(view).headers.extend(names)
        return view

    return decorate


def reads_json_document(view: View) -> View:
    """Pass the parsed body as the next argument, unchecked: graphs have their own validation."""

    @functools.wraps(view)
    def wrapped(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return view(read_json(request), *args, **kwargs)

    docs_of(wrapped).requests.insert(0, (GraphRequestSchema(), "json"))
    return wrapped


class Answer(t.NamedTuple):
    """A response body with additional headers."""

    body: dict[str, t.Any] | Response
    headers: dict[str, str]


def wait_preference() -> float:
    """Return how many seconds the client will wait for the end (``Prefer: wait=N``, RFC 7240)."""
    for preference in request.headers.get("Prefer", "").split(","):
        name, _, value = preference.strip().partition("=")
        if name.lower() == "wait" and value.isdecimal():
            return min(float(value), MAX_WAIT_SECONDS)
    return 0.0
