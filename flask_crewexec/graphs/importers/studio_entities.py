"""CrewAI-Studio's export of everything: a list of entities, which may be several crews."""

from __future__ import annotations

from collections.abc import Mapping

from .draft import Draft
from .import_result import Json
from .import_result import Place
from .supported_fields import Fields
from .supported_fields import fields_of

_IDS_ARE_PARTS: Mapping[str, str] = {"agent_ids": "agents", "task_ids": "tasks"}


class Entities:
    """The entities of an export by type and id."""

    def __init__(self, values: list[object], place: Place, draft: Draft) -> None:
        self._by_type: dict[str, dict[str, tuple[Json, Place]]] = {}
        self._draft = draft
        self._place = place
        for index, value in enumerate(values):
            self._read(value, place / index)

    def crews(self) -> dict[str, Fields]:
        """Return the crews by name; as in an export of one crew, they contain their parts."""
        crews: dict[str, Fields] = {}
        for id, (data, place) in self._all("crew").items():
            name = data.get("name")
            unique = name if isinstance(name, str) and name and name not in crews else id
            crews[unique] = self._crew(data, place)
        return crews

    def _all(self, type: str) -> dict[str, tuple[Json, Place]]:
        return self._by_type.get(type, {})

    def _read(self, value: object, place: Place) -> None:
        if not isinstance(value, dict):
            self._draft.refuse_type(place, "an entity with 'id', 'entity_type' and 'data'", value)
            return
        id, type, data = (value.get(name) for name in ("id", "entity_type", "data"))
        if isinstance(id, str) and isinstance(type, str) and isinstance(data, dict):
            self._by_type.setdefault(type, {})[id] = (data, place / "data")

    def _crew(self, data: Json, place: Place) -> Fields:
        fields = fields_of(data, place)
        fields.pop("created_at", None)
        for ids, parts in _IDS_ARE_PARTS.items():
            wanted, at = fields.pop(ids, ([], place / ids))
            fields[parts] = (self._parts(parts.removesuffix("s"), wanted, at), at)
        manager, at = fields.pop("manager_agent_id", (None, place))
        fields["manager_agent"] = (manager, at)
        if manager not in (None, *(part["id"] for part, _ in fields["agents"][0])):
            fields["agents"][0].extend(self._parts("agent", [manager], at))
        fields["tools"] = (self._tools(), self._place)
        return fields

    def _parts(self, type: str, ids: object, place: Place) -> list[tuple[Json, Place]]:
        found = []
        for index, id in enumerate(ids if isinstance(ids, list) else ()):
            if isinstance(id, str) and id in self._all(type):
                data, at = self._all(type)[id]
                found.append(({**data, "id": id}, at))
            else:
                detail = f"There is no {type} with this id in the export."
                self._draft.refuse(place / index, f"unknown-{type}", detail, breaks=True)
        return found

    def _tools(self) -> list[tuple[Json, Place]]:
        return [({**data, "tool_id": id}, at) for id, (data, at) in self._all("tool").items()]
