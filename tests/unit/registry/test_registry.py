"""Registering tools and models."""

from __future__ import annotations

import pytest

from flask_crewexec import Approval
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
    def test_invalid_names_are_refused(self, crewexec, name):
        with pytest.raises(ValueError, match="not a valid name of a tool"):
            crewexec.tool(name, description="d")(lambda: None)

    def test_a_name_is_registered_once(self, crewexec):
        crewexec.tool("one", description="d")(lambda: None)
        with pytest.raises(ValueError, match="There is already a tool called 'one'"):
            crewexec.tool("one", description="d")(lambda: None)

    def test_a_tool_needs_a_description(self, crewexec):
        with pytest.raises(ValueError, match="description"):
            crewexec.tool("one")(lambda: None)

    def test_parameters_need_annotations(self, crewexec):
        with pytest.raises(ValueError, match=r"Parameter 'x'.*annotation"):
            crewexec.tool("one", description="d")(lambda x: x)

    def test_coroutines_are_refused(self, crewexec):
        async def think() -> str:
            return ""

        with pytest.raises(ValueError, match="coroutine"):
            crewexec.tool("one", description="d")(think)

    def test_parameter_names_that_pydantic_reserves_are_refused(self, crewexec):
        with pytest.raises(ValueError, match="another name"):

            @crewexec.tool("one", description="d")
            def one(_x: str) -> None: ...

        with pytest.raises(ValueError, match="another name"):

            @crewexec.tool("two", description="d")
            def two(model_config: str) -> None: ...

    def test_unresolvable_annotations_are_refused(self, crewexec):
        def function(x: Nonsense) -> str:  # type: ignore[name-defined]  # noqa: F821
            return ""

        with pytest.raises(ValueError, match="Nonsense"):
            crewexec.tool("one", description="d")(function)

    def test_variadic_parameters_are_refused(self, crewexec):
        with pytest.raises(ValueError, match=r"takes '\*args'"):
            crewexec.tool("one", description="d")(lambda *args: args)


class TestApproval:
    def read(self, crewexec, **options):
        crewexec.tool("pay", description="d", **options)(lambda: None)
        return crewexec._registry.tools["pay"].approval

    def test_of_tools_is_always_never_or_sometimes_needed(self, crewexec):
        assert self.read(crewexec) is None
        assert self.read(CrewExec(), approval="never") is None
        assert self.read(CrewExec(), approval="always") == Approval()
        over = lambda arguments, user_id: True  # noqa: E731
        assert self.read(CrewExec(), approval=over) == Approval(when=over)
        mine = Approval(roles=["boss"])
        assert self.read(CrewExec(), approval=mine) is mine
        for roles in ({"boss"}, frozenset({"boss"}), ["boss"], ("boss",)):
            assert self.read(CrewExec(), approval=roles) == mine

    def test_of_the_tools_of_a_server_is_one_for_all_or_one_for_each(self, crewexec):
        tools = {"read": "Read.", "delete": "Delete."}
        crewexec.add_mcp_server("a", tools=tools, command=["x"], approval="always")
        crewexec.add_mcp_server("b", tools=tools, command=["x"], approval={"delete": "always"})
        registered = crewexec._registry.tools
        found = {name: spec.approval for name, spec in registered.items() if name[1] == "_"}
        assert found == {
            "a_read": Approval(),
            "a_delete": Approval(),
            "b_read": None,
            "b_delete": Approval(),
        }
        with pytest.raises(ValueError, match="'wipe', which is not in 'tools'"):
            crewexec.add_mcp_server("c", tools=tools, command=["x"], approval={"wipe": "always"})

    @pytest.mark.parametrize("when", ["sometimes", 5, lambda arguments: True, None])
    def test_is_needed_when_a_function_of_arguments_and_user_says_so(self, crewexec, when):
        with pytest.raises(ValueError, match="need approval"):
            crewexec.tool("pay", approval=when)(lambda: None)
        with pytest.raises(ValueError, match="need approval"):
            Approval(when=when)

    @pytest.mark.parametrize("wrong", [True, {"roles": ["boss"]}, "allways"])
    def test_what_is_none_is_refused_with_what_there_is(self, crewexec, wrong):
        with pytest.raises(ValueError, match=r"'never'.*a set of roles, or 'Approval\(…\)'"):
            crewexec.tool("pay", approval=wrong)(lambda: None)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"roles": ["a"], "graph_may_assign": True}, "either 'roles' or"),
            ({"decisions": []}, "must be some of"),
            ({"decisions": "approve"}, "must be some of"),
            ({"decisions": 5}, "must be some of"),
            ({"decisions": ["change"]}, "no decision 'change' .* some of 'approve', 'edit'"),
            ({"decisions": ["approve", ["edit"]]}, r"no decision \['edit'\]"),
            ({"decisions": ["edit"], "four_eyes": True}, "another decision than 'edit'"),
            ({"roles": []}, "'roles' is empty"),
            ({"roles": [""]}, "A role has from 1"),
            ({"four_eyes": "yes"}, "'four_eyes' must be True or False, not 'yes'"),
            ({"graph_may_assign": 1}, "'graph_may_assign' must be True or False"),
            ({"message": 3}, "'message' must be a text, not 3"),
            ({"on_expiry": "default", "default": 3}, "'default' must be a text, not 3"),
            ({"on_expiry": "hm"}, "no 'on_expiry' 'hm'. Use one of 'fail', 'reject'"),
            ({"on_expiry": "default"}, "'default' is the result"),
            ({"default": "x"}, "'default' is the result"),
            ({"expires_in": "1h"}, "a number of seconds, not '1h'"),
            ({"expires_in": True}, "a number of seconds, not True"),
            ({"expires_in": 0}, "greater than zero"),
            ({"expires_in": float("inf")}, "greater than zero"),
        ],
    )
    def test_invalid_values_are_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            Approval(**options)


class TestModels:
    def test_a_model_needs_a_key_or_a_url(self, crewexec):
        with pytest.raises(ValueError, match=r"needs an 'api_key'.*'base_url'"):
            crewexec.llm("default", "gpt-4o-mini")

    def test_the_repr_hides_the_key(self, crewexec):
        crewexec.llm(
            "default", "m", api_key="sk-secret", base_url="http://sk-secret@x", token="sk-secret"
        )
        assert "sk-secret" not in repr(crewexec._registry.llms)

    def test_a_key_may_be_a_function(self, crewexec):
        crewexec.llm("default", "gpt-4o-mini", api_key=lambda: "sk-later")
        assert resolve(crewexec._registry.llms["default"].api_key) == "sk-later"


def test_decorators_need_their_parentheses(crewexec):
    names = ("tool", "guardrail", "predicate", "storage", "eraser")
    for decorator, example in {**dict.fromkeys(names, "name"), "on": "execution.completed"}.items():
        with pytest.raises(TypeError, match=rf'Write @crewexec\.{decorator}\("{example}"\)'):
            getattr(crewexec, decorator)(lambda: None)


@pytest.mark.parametrize("wrong", [lambda: None, lambda a, b: None, 5])
def test_what_says_who_is_asked_takes_a_question(crewexec, wrong):
    with pytest.raises(ValueError, match="says who is asked"):
        crewexec.assign(wrong)


def test_what_says_who_is_asked_is_no_coroutine(crewexec):
    async def reviewers(question):
        return None

    with pytest.raises(ValueError, match="An ordinary function"):
        crewexec.assign(reviewers)


def test_a_second_identity_loader_is_refused(crewexec):
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
    def test_invalid_names_are_refused(self, crewexec, name):
        with pytest.raises(ValueError, match="not a valid name of a storage"):
            crewexec.storage(name)(lambda reference, user_id: "")

    def test_a_name_is_registered_once(self, crewexec):
        crewexec.storage("one")(lambda reference, user_id: "")
        with pytest.raises(ValueError, match="There is already a storage called 'one'"):
            crewexec.storage("one")(lambda reference, user_id: "")

    def test_the_function_must_take_a_reference_and_a_user(self, crewexec):
        with pytest.raises(ValueError, match="called with a reference and a user id: too many"):
            crewexec.storage("one")(lambda reference: "")

    def test_coroutines_are_refused(self, crewexec):
        async def read(reference: str, user_id: str) -> str:
            return ""

        with pytest.raises(ValueError, match="coroutine"):
            crewexec.storage("one")(read)


class TestLimits:
    @pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
    def test_timeouts_of_tools_are_positive(self, crewexec, seconds):
        with pytest.raises(ValueError, match=r"timeout of tool 'one'.*greater than zero"):
            crewexec.tool("one", description="d", timeout=seconds)(lambda: None)

    def test_output_limits_are_positive(self, crewexec):
        with pytest.raises(ValueError, match=r"'max_output_chars' of tool 'one'"):
            crewexec.tool("one", description="d", max_output_chars=0)(lambda: None)

    def test_token_limits_of_models_are_positive(self, crewexec):
        with pytest.raises(ValueError, match=r"'max_tokens' of model 'one'"):
            crewexec.llm("one", "m", api_key="k", max_tokens=0)

    def test_roles_must_not_be_a_string(self, crewexec):
        with pytest.raises(TypeError, match="Roles are a collection"):
            crewexec.tool("one", description="d", roles="admin")(lambda: None)
        with pytest.raises(TypeError, match="Roles are a collection"):
            crewexec.llm("one", "m", api_key="k", roles="admin")

    def test_the_name_of_a_builtin_tool_is_reserved(self, crewexec):
        with pytest.raises(ValueError, match="built-in"):
            crewexec.tool("ask_person", description="d")(lambda: None)
        assert "ask_person" in crewexec._registry.permissions_for({}).tools

    def test_an_empty_collection_of_roles_allows_no_user(self, crewexec):
        crewexec.tool("one", description="d", roles=[])(lambda: None)
        assert "one" not in crewexec._registry.permissions_for({"admin"}).tools


class TestFallbacks:
    def test_fallbacks_of_fallbacks_are_tried_in_order_and_each_once(self, crewexec):
        for name, fallbacks in {"d": [], "c": ["d"], "b": ["d"], "a": ["b", "c", "d"]}.items():
            crewexec.llm(name, "m", api_key="k", fallbacks=fallbacks)
        assert [spec.name for spec in crewexec._registry.fallback_chain("a")] == [
            "a",
            "b",
            "d",
            "c",
        ]

    @pytest.mark.parametrize("fallback", ["itself", "later"])
    def test_fallbacks_must_be_registered_first_so_no_cycle_is_possible(self, crewexec, fallback):
        with pytest.raises(
            ValueError, match=f"falls back to '{fallback}', which is not registered"
        ):
            crewexec.llm("itself", "m", api_key="k", fallbacks=[fallback])


def test_a_second_secret_provider_is_refused(crewexec):
    crewexec.secret_provider(lambda name, user: None)
    with pytest.raises(RuntimeError, match="already"):
        crewexec.secret_provider(lambda name, user: None)


def test_secrets_are_available_only_in_a_run(crewexec):
    with pytest.raises(RuntimeError, match="only in registered functions"):
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
        ("function", "message"),
        [
            (lambda: True, "must take an answer"),
            (lambda a, b: True, "must take an answer"),
        ],
    )
    def test_the_function_must_take_an_answer(self, crewexec, function, message):
        with pytest.raises(ValueError, match=message):
            crewexec.guardrail("one", description="d")(function)

    def test_a_guardrail_needs_a_description(self, crewexec):
        with pytest.raises(ValueError, match="needs a description"):
            crewexec.guardrail("one")(lambda answer: True)

    def test_coroutines_are_refused(self, crewexec):
        async def think(answer: str) -> bool:
            return True

        with pytest.raises(ValueError, match="ordinary function"):
            crewexec.guardrail("one", description="d")(think)

    def test_a_name_is_registered_once(self, crewexec):
        crewexec.guardrail("one", description="d")(lambda answer: True)
        with pytest.raises(ValueError, match="There is already a guardrail called 'one'"):
            crewexec.guardrail("one", description="d")(lambda answer: True)


class TestHandlers:
    def test_the_function_stays_usable(self, crewexec):
        @crewexec.on("execution.completed")
        def tell(notification):
            return notification

        assert tell("it") == "it"

    def test_a_name_is_registered_once(self, crewexec):
        crewexec.on("*", name="mail")(lambda notification: None)
        with pytest.raises(ValueError, match="already a handler called 'mail'"):
            crewexec.on("*", name="mail")(lambda notification: None)

    def test_unknown_events_are_refused(self, crewexec):
        with pytest.raises(ValueError, match=r"no event 'execution\.done'"):
            crewexec.on("execution.done")(lambda notification: None)

    def test_it_must_take_a_notification(self, crewexec):
        with pytest.raises(ValueError, match="is called with a notification"):
            crewexec.on("*", name="mail")(lambda: None)

    def test_coroutines_are_refused(self, crewexec):
        async def tell(notification):
            pass

        with pytest.raises(ValueError, match="not a coroutine"):
            crewexec.on("*", name="mail")(tell)

    def test_names_that_cannot_be_stored_are_refused(self, crewexec):
        with pytest.raises(ValueError, match="at most 100 characters"):
            crewexec.on("*", name="x" * 101)(lambda notification: None)
