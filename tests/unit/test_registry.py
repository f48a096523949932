"""Registering tools and models."""

from __future__ import annotations

import pytest

from flask_crewexec import CrewExec
from flask_crewexec.registry import value_of


@pytest.fixture
def crewexec():
    return CrewExec()


class TestTools:
    def test_the_function_stays_usable(self, crewexec):
        @crewexec.tool("double")
        def double(number: int) -> int:
            """Double a number."""
            return 2 * number

        assert double(2) == 4

    @pytest.mark.parametrize("name", ["", "Double", "9lives", "a b", "a.b", "a" * 65, "é"])
    def test_names_that_models_could_not_call(self, crewexec, name):
        with pytest.raises(ValueError, match="cannot be called"):
            crewexec.tool(name, description="d")(lambda: None)

    def test_a_name_is_taken_once(self, crewexec):
        crewexec.tool("one", description="d")(lambda: None)
        with pytest.raises(ValueError, match="There is a tool called 'one' already"):
            crewexec.tool("one", description="d")(lambda: None)

    def test_the_model_must_be_told_what_it_does(self, crewexec):
        with pytest.raises(ValueError, match="description"):
            crewexec.tool("one")(lambda: None)

    def test_the_model_must_be_told_the_types(self, crewexec):
        with pytest.raises(ValueError, match=r"Parameter 'x'.*annotation"):
            crewexec.tool("one", description="d")(lambda x: x)

    def test_a_coroutine_would_run_outside_of_the_application(self, crewexec):
        async def think() -> str:
            return ""

        with pytest.raises(ValueError, match="coroutine"):
            crewexec.tool("one", description="d")(think)

    def test_parameters_that_the_model_could_not_be_told(self, crewexec):
        with pytest.raises(ValueError, match="another name"):

            @crewexec.tool("one", description="d")
            def one(_x: str) -> None: ...

        with pytest.raises(ValueError, match="another name"):

            @crewexec.tool("two", description="d")
            def two(model_config: str) -> None: ...

    def test_annotations_that_name_nothing(self, crewexec):
        def function(x: Nonsense) -> str: ...  # noqa: F821

        with pytest.raises(ValueError, match="Nonsense"):
            crewexec.tool("one", description="d")(function)

    def test_every_parameter_needs_a_name(self, crewexec):
        with pytest.raises(ValueError, match=r"takes '\*args'"):
            crewexec.tool("one", description="d")(lambda *args: args)


class TestModels:
    def test_a_key_or_an_address_is_needed(self, crewexec):
        with pytest.raises(ValueError, match=r"needs an 'api_key'.*'base_url'"):
            crewexec.llm("default", "gpt-4o-mini")

    def test_the_key_is_never_shown(self, crewexec):
        crewexec.llm(
            "default", "m", api_key="sk-secret", base_url="http://sk-secret@x", token="sk-secret"
        )
        assert "sk-secret" not in repr(crewexec._registry.models)

    def test_a_key_may_be_asked_for_later(self, crewexec):
        crewexec.llm("default", "gpt-4o-mini", api_key=lambda: "sk-later")
        assert value_of(crewexec._registry.models["default"].api_key) == "sk-later"


def test_there_is_one_identity_loader(crewexec):
    crewexec.identity_loader(lambda: None)
    with pytest.raises(RuntimeError, match="already"):
        crewexec.identity_loader(lambda: None)


class TestGuardrails:
    def test_the_function_stays_usable(self, crewexec):
        @crewexec.guardrail("short")
        def short(answer: str) -> bool | str:
            """Keeps answers short."""
            return len(answer) < 9

        assert short("x") is True
        assert crewexec._registry.names.guardrails.keys() == {"short"}

    @pytest.mark.parametrize(
        ("function", "said"),
        [
            (lambda: True, "must take an answer"),
            (lambda a, b: True, "must take an answer"),
        ],
    )
    def test_it_must_take_an_answer(self, crewexec, function, said):
        with pytest.raises(ValueError, match=said):
            crewexec.guardrail("one", description="d")(function)

    def test_users_must_be_told_what_it_does(self, crewexec):
        with pytest.raises(ValueError, match="needs a description"):
            crewexec.guardrail("one")(lambda answer: True)

    def test_a_coroutine_would_always_pass(self, crewexec):
        async def think(answer: str) -> bool:
            return True

        with pytest.raises(ValueError, match="ordinary function"):
            crewexec.guardrail("one", description="d")(think)

    def test_a_name_is_taken_once(self, crewexec):
        crewexec.guardrail("one", description="d")(lambda answer: True)
        with pytest.raises(ValueError, match="There is a guardrail called 'one' already"):
            crewexec.guardrail("one", description="d")(lambda answer: True)
