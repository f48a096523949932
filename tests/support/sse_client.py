"""Server-Sent Events as a browser reads them."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Iterator

from flask.testing import FlaskClient

EVENT_STREAM: t.Final = {"Accept": "text/event-stream"}


class ServerEvent(t.NamedTuple):
    type: str
    data: str
    id: str | None

    def json(self) -> t.Any:
        return json.loads(self.data)


def parse(lines: Iterable[str]) -> Generator[ServerEvent]:
    """Yield the events of a stream as soon as each is complete."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield ServerEvent(fields.get("event", "message"), fields["data"], fields.get("id"))
            fields = {}
            continue
        name, _, value = line.partition(": ")
        fields[name] = value


def open_stream(client: FlaskClient, path: str, user: str = "ada") -> Generator[ServerEvent]:
    """Yield the events of a stream as they come."""
    headers = {"X-User": user, **EVENT_STREAM}
    answer = client.get(f"/crewexec{path}", headers=headers, buffered=False)
    assert answer.status_code == 200, answer.text
    frames = t.cast("Iterable[bytes]", answer.response)
    return parse(line for frame in frames for line in frame.decode().splitlines())


def take(events: Iterator[ServerEvent], type: str) -> ServerEvent:
    """Return the next event of a type."""
    return next(event for event in events if event.type == type)
