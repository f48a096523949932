"""Server-Sent Events as a browser reads them."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable
from collections.abc import Iterator


class ServerEvent(t.NamedTuple):
    type: str
    data: str
    id: str | None

    def json(self) -> t.Any:
        return json.loads(self.data)


def parse(lines: Iterable[str]) -> Iterator[ServerEvent]:
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
