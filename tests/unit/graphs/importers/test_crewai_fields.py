"""Every field of CrewAI's models is known here, so that those of a new version are noticed."""

from __future__ import annotations

from importlib import import_module

import pytest

from flask_crewexec.graphs.importers import crewai_fields


@pytest.fixture(scope="module")
def crewai():
    import_module("flask_crewexec.runtime.crewai_shims")  # sets the switches of CrewAI
    return import_module("crewai")


def fields_of(model):
    return {model.model_fields[name].alias or name for name in model.model_fields}


@pytest.mark.parametrize("name", ["Agent", "Task", "Crew"])
def test_each_field_is_kept_or_left_out_for_a_reason(crewai, name):
    kind = getattr(crewai_fields, name.upper())
    assert fields_of(getattr(crewai, name)) - kind.supported.keys() - kind.omitted.keys() == set()
    assert kind.supported.keys().isdisjoint(kind.omitted)


def test_conditional_tasks_have_one_more(crewai):
    module = import_module("crewai.tasks.conditional_task")
    more = fields_of(module.ConditionalTask) - fields_of(crewai.Task)
    assert more <= crewai_fields.TASK.supported.keys()


def test_plans(crewai):
    fields = fields_of(import_module("crewai.agent.planning_config").PlanningConfig)
    kind = crewai_fields.PLANNING
    assert fields == kind.supported.keys() | kind.omitted.keys()


@pytest.mark.parametrize("name", ["Agent", "Task", "Crew"])
def test_defaults_are_those_of_crewai(crewai, name):
    kind = getattr(crewai_fields, name.upper())
    for field, omission in kind.omitted.items():
        if omission.default not in crewai_fields.EMPTY:
            known = getattr(crewai, name).model_fields
            assert field not in known or known[field].default == omission.default


@pytest.mark.parametrize("kind", ["AGENT", "TASK", "CREW", "MODEL", "PLANNING"])
def test_reasons_are_sentences(kind):
    for omission in getattr(crewai_fields, kind).omitted.values():
        assert omission.advice.endswith(".")
