"""Reads a crew in Python, with the YAML files that its class names."""

from __future__ import annotations

import typing as t

from ...problem_messages import listing
from ...problem_messages import quote
from ...problem_messages import suggestion
from ..crew_parts import CrewParts
from ..crew_settings import read_settings
from ..crewai_fields import AGENT
from ..crewai_fields import CREW
from ..crewai_fields import Kind
from ..crewai_fields import TASK
from ..draft import Draft
from ..import_result import Json
from ..import_result import Options
from ..import_result import Place
from ..supported_fields import Fields
from ..supported_fields import fields_of
from ..yaml_config import YamlConfig
from .hooks import note_hooks
from .project import CrewSource
from .project import PythonProject
from .translation import plain
from .translation import Translator
from .values import Call
from .values import Computed
from .values import Function
from .values import Instance
from .values import Method
from .values import Reference
from .values import Value


class CrewReader:
    """Adds the parts of one crew to a draft."""

    def __init__(
        self,
        source: CrewSource,
        project: PythonProject,
        config: YamlConfig,
        parts: CrewParts,
        draft: Draft,
    ) -> None:
        self._source = source
        self._project = project
        self._config = config
        self._parts = parts
        self._draft = draft
        self._names: dict[int, str] = {}
        self._values: dict[str, Value] = {}
        self._translator = Translator(draft, self._name_of)

    def read(self, options: Options) -> None:
        """Read the crew."""
        call, place = self._crew_call(), self._source.place
        self._draft.origins[""] = self._draft.origins["/nodes"] = place
        fields = self._translator.fields(call, CREW, place)
        if self._source.instance is not None:
            note_hooks(self._source.instance.cls, place, self._draft)
        tasks = self._members(call.keywords.get("tasks"), "task", place / "tasks")
        agents = self._members(call.keywords.get("agents"), "agent", place / "agents")
        tasks = self._chosen(tasks, options)
        told = [(name, self._task_fields(name, value)) for name, value in tasks]
        needed = [fields.value("agent") for _, fields in told]
        names = dict.fromkeys([name for name in needed if isinstance(name, str)])
        names.update(dict.fromkeys(name for name, _ in agents))
        manager = fields.value("manager_agent")
        if isinstance(manager, str):
            names.setdefault(manager)
        name = fields.value("name") or options.name or self._source.name
        fields["name"] = (name, fields.get("name", (None, place))[1])
        settings = read_settings(fields, options, self._parts, self._draft)
        for each in names:
            self._add_agent(each)
        settings.add_manager()
        for name, task in told:
            self._parts.add_task(name, task, place / name)
        self._parts.finish(place / "tasks")
        settings.declare_inputs()

    def _crew_call(self) -> Call:
        """Return the call of ``Crew``; one with all parts if it depends on something."""
        value = self._source.value
        if isinstance(value, Call):
            return value
        line = value.line if isinstance(value, Computed) else 1
        self._translator.note_computed("crew", line, self._source.place)
        nothing = t.cast(t.Any, None)
        return Call("Crew", [], {}, nothing, self._source.file)

    def _members(self, value: Value, kind: str, place: Place) -> list[tuple[str, Value]]:
        """Return the agents or tasks of a crew by name."""
        instance = self._source.instance
        if isinstance(value, list):
            found = [(self._name_of(each), each) for each in value]
            if any(name is None for name, _ in found):
                line = next((each.line for _, each in found if isinstance(each, Computed)), 0)
                self._translator.note_computed(f"{kind}s", line, place)
            return [(name, each) for name, each in found if name is not None]
        if instance is not None and not isinstance(value, Computed):
            return [(name, self._value_of(name)) for name in _decorated(instance, kind)]
        if value is not None:
            self._translator.note_computed(f"{kind}s", getattr(value, "line", 0), place)
        return []

    def _chosen(self, tasks: list[tuple[str, Value]], options: Options) -> list[tuple[str, Value]]:
        if not options.tasks:
            return tasks
        known = dict(tasks)
        for index, name in enumerate(options.tasks):
            if name not in known:
                detail = f"There is no task {quote(name)}. Available: {listing(known)}."
                hint = f"{suggestion(name, known)}The tasks are {listing(known)}."
                at = Place("") / "tasks" / index
                self._draft.refuse(at, "unknown-task", detail, hint, breaks=True)
        return [(name, value) for name, value in tasks if name in options.tasks]

    def _value_of(self, name: str) -> Value:
        """Return the agent or task that a decorated method returns, once."""
        if name not in self._values and self._source.instance is not None:
            value = self._project.result(self._source.instance, name)
            self._values[name] = value
            if value is not None:
                self._names.setdefault(id(value), name)
        return self._values.get(name)

    def _name_of(self, value: Value) -> str | None:
        """Return the name of an agent or task; None if it depends on something."""
        if isinstance(value, Method):
            return value.function.node.name if value.instance is self._source.instance else None
        if not isinstance(value, Call):
            return None
        if id(value) not in self._names:
            instance = self._source.instance
            methods = instance.results if instance else {}
            method = next((name for name, each in methods.items() if each is value), None)
            name = method or self._unused(value.variable or _title_of(value))
            self._names[id(value)] = name
            self._values[name] = value
        return self._names[id(value)]

    def _unused(self, name: str) -> str:
        unused, number = name, 2
        while unused in self._values:
            unused, number = f"{name}_{number}", number + 1
        return unused

    def _add_agent(self, name: str) -> None:
        if name in self._parts.agents:
            return
        value = self._value_of(name)
        place = self._source.place / name
        if isinstance(value, Call):
            fields = self._with_config(value, AGENT, place)
            role, at = fields.get("role", (None, place))
            if isinstance(role, str):
                fields["role"] = (role.strip(), at)
            self._parts.add_agent(name, fields, place)
        elif value is not None:
            self._translator.note_computed(name, getattr(value, "line", 0), place)

    def _task_fields(self, name: str, value: Value) -> Fields:
        place = self._source.place / name
        if not isinstance(value, Call):
            self._translator.note_computed(name, getattr(value, "line", 0), place)
            return Fields({"name": (name, place)})
        fields = self._with_config(value, TASK, place)
        if fields.value("name") is None:
            fields["name"] = (name, place)
        return fields

    def _with_config(self, call: Call, kind: Kind, place: Place) -> Fields:
        """Return the fields of a part; as in CrewAI, arguments go before ``config``."""
        config = self._configured(call.keywords.get("config"), kind, place / "config")
        given = self._translator.fields(call, kind, place)
        return Fields({**config, **given})

    def _configured(self, value: Value, kind: Kind, place: Place) -> Fields:
        key = _config_key(value)
        if key is not None:
            found = self._from_file(*key, place)
            return self._resolved(found, kind)
        if isinstance(value, dict):
            return fields_of(t.cast(Json, plain(value)), place)
        if value is not None:
            self._translator.note_computed("config", getattr(value, "line", 0), place)
        return Fields()

    def _from_file(self, stem: str, key: str, place: Place) -> Fields:
        instance = self._source.instance
        told = instance.cls.find(f"{stem}_config") if instance else None
        path = told if isinstance(told, str) else f"config/{stem}.yaml"
        found = (told, place)
        if not isinstance(told, dict):
            found = self._config.find(stem, path, self._source.file)
        members, at = found
        if members is None:
            return Fields()
        definition = members.get(key)
        if definition is None:
            detail = f"There is no {quote(key)} in the {stem}' file. Available: {listing(members)}."
            hint = f"{suggestion(key, members)}Its keys are {listing(members)}."
            self._draft.refuse(place, "unknown-config", detail, hint, breaks=True)
            return Fields()
        given = self._draft.members(definition, at / key)
        return Fields() if given is None else fields_of(given, at / key)

    def _resolved(self, fields: Fields, kind: Kind) -> Fields:
        """Replace names in YAML, which are those of methods, by what the methods return."""
        instance = self._source.instance
        if instance is None:
            return fields
        for name, (value, place) in fields.items():
            if name == "llm" and isinstance(value, str) and self._is_method(value, "llm"):
                fields[name] = (self._translator.model(self._result(value)), place)
            elif name == "tools" and isinstance(value, list):
                tools = [
                    self._result(each) if self._is_method(each, "tool") else each for each in value
                ]
                call = Call("Agent", [], {"tools": tools}, t.cast(t.Any, None), "")
                told = self._translator.fields(call, kind, place.parent())
                fields[name] = told.get("tools", ([], place))
        return fields

    def _is_method(self, name: object, decorator: str) -> bool:
        instance = self._source.instance
        found = instance.cls.find(name) if instance and isinstance(name, str) else None
        return isinstance(found, Function) and decorator in found.decorators

    def _result(self, name: str) -> Value:
        instance = self._source.instance
        return None if instance is None else self._project.result(instance, name)


def _decorated(instance: Instance, decorator: str) -> list[str]:
    """Return the names of the methods with a decorator, those of bases first."""
    names: dict[str, None] = {}
    for cls in reversed(instance.cls.lineage()):
        for name, member in cls.members.items():
            if isinstance(member, Function) and decorator in member.decorators:
                names[name] = None
    return [*names]


def _config_key(value: Value) -> tuple[str, str] | None:
    """Return ``("agents", "writer")`` for ``self.agents_config["writer"]``."""
    text = ""
    if isinstance(value, Reference):
        text = value.name
    elif isinstance(value, Call) and value.last == "get" and value.positional:
        text = f"{value.name.removesuffix('.get')}[{value.positional[0]}]"
    for stem in ("agents", "tasks"):
        if text.startswith(f"self.{stem}_config[") and text.endswith("]"):
            return stem, text[len(f"self.{stem}_config[") : -1]
    return None


def _title_of(call: Call) -> str:
    """Return a name for an agent or task without a variable."""
    title = call.keywords.get("name") or call.keywords.get("role")
    return title.strip()[:60] if isinstance(title, str) and title.strip() else call.last.lower()
