"""Registering tools and models."""

from __future__ import annotations

import pytest

from flask_crewexec import CrewExec
from flask_crewexec.registry.specs import resolve


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
        assert resolve(crewexec._registry.models["default"].api_key) == "sk-later"


def test_there_is_one_identity_loader(crewexec):
    crewexec.identity_loader(lambda: None)
    with pytest.raises(RuntimeError, match="already"):
        crewexec.identity_loader(lambda: None)


class TestStorages:
    def test_the_function_stays_usable(self, crewexec):
        @crewexec.storage("uploads")
        def read(reference: str, user_id: str) -> str:
            return f"{user_id}'s {reference}"

        assert read("report", "ada") == "ada's report"

    @pytest.mark.parametrize("name", ["", "Uploads", "a:b", "a/b", "é"])
    def test_names_that_references_could_not_say(self, crewexec, name):
        with pytest.raises(ValueError, match="A storage cannot be called"):
            crewexec.storage(name)(lambda reference, user_id: "")

    def test_a_name_is_taken_once(self, crewexec):
        crewexec.storage("one")(lambda reference, user_id: "")
        with pytest.raises(ValueError, match="There is a storage called 'one' already"):
            crewexec.storage("one")(lambda reference, user_id: "")

    def test_it_must_take_a_reference_and_a_user(self, crewexec):
        with pytest.raises(ValueError, match="called with a reference and a user id: too many"):
            crewexec.storage("one")(lambda reference: "")

    def test_a_coroutine_would_never_be_awaited(self, crewexec):
        async def read(reference: str, user_id: str) -> str:
            return ""

        with pytest.raises(ValueError, match="coroutine"):
            crewexec.storage("one")(read)


class TestLimits:
    @pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
    def test_timeouts_of_tools(self, crewexec, seconds):
        with pytest.raises(ValueError, match=r"timeout of tool 'one'.*greater than zero"):
            crewexec.tool("one", description="d", timeout=seconds)(lambda: None)

    def test_lengths_of_outputs(self, crewexec):
        with pytest.raises(ValueError, match=r"'max_output_chars' of tool 'one'"):
            crewexec.tool("one", description="d", max_output_chars=0)(lambda: None)

    def test_tokens_of_models(self, crewexec):
        with pytest.raises(ValueError, match=r"'max_tokens' of model 'one'"):
            crewexec.llm("one", "m", api_key="k", max_tokens=0)

    def test_roles_are_not_letters(self, crewexec):
        with pytest.raises(TypeError, match="Roles are a collection"):
            crewexec.tool("one", description="d", roles="admin")(lambda: None)
        with pytest.raises(TypeError, match="Roles are a collection"):
            crewexec.llm("one", "m", api_key="k", roles="admin")

    def test_no_roles_means_nobody(self, crewexec):
        crewexec.tool("one", description="d", roles=[])(lambda: None)
        assert crewexec._registry.permissions_for({"admin"}).tools == set()


class TestFallbacks:
    def test_those_of_fallbacks_follow_them_and_each_comes_once(self, crewexec):
        for name, behind in {"d": [], "c": ["d"], "b": ["d"], "a": ["b", "c", "d"]}.items():
            crewexec.llm(name, "m", api_key="k", fallbacks=behind)
        assert [spec.name for spec in crewexec._registry.fallback_chain("a")] == [
            "a",
            "b",
            "d",
            "c",
        ]

    @pytest.mark.parametrize("behind", ["itself", "later"])
    def test_only_models_that_are_there_can_be_named_so_no_cycle_is_possible(
        self, crewexec, behind
    ):
        with pytest.raises(ValueError, match=f"falls back to '{behind}', which is not registered"):
            crewexec.llm("itself", "m", api_key="k", fallbacks=[behind])


def test_there_is_one_secret_provider(crewexec):
    crewexec.secret_provider(lambda name, user: None)
    with pytest.raises(RuntimeError, match="already"):
        crewexec.secret_provider(lambda name, user: None)


def test_secrets_are_known_in_functions_of_a_run_only(crewexec):
    with pytest.raises(RuntimeError, match="only while a function that you registered"):
        crewexec.secret("any")


class TestGuardrails:
    def test_the_function_stays_usable(self, crewexec):
        @crewexec.guardrail("short")
        def short(answer: str) -> bool | str:
            """Keeps answers short."""
            return len(answer) < 9

        assert short("x") is True
        assert crewexec._registry.permissions_for(None).guardrails.keys() == {"short"}

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
