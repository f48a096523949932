"""The registry of what graphs may use, by name: tools, models, guardrails, predicates, storages.

The web process only needs the names; workers build CrewAI's objects from the specifications (see
``runtime/tool_builder.py`` and ``runtime/llm_builder.py``). Hence nothing here imports crewai.
"""

from __future__ import annotations

import inspect
import math
import re
import typing as t
from collections.abc import Collection
from collections.abc import Iterable

from ..graphs import OnUnknown
from ..graphs import Permissions
from ..graphs import RoleLimits
from .assignment import AssignFunction
from .builtin_tools import BUILTIN_TOOLS
from .specs import EraserFunction
from .specs import ExternalToolSpec
from .specs import FunctionToolSpec
from .specs import GuardrailSpec
from .specs import HandlerSpec
from .specs import LLMSpec
from .specs import PredicateSpec
from .specs import RedactorFunction
from .specs import StorageFunction
from .specs import ToolSpec

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MAX_HANDLER_NAME: t.Final = 100


class Registry:
    """Specifications by name; filled while the host's modules are imported."""

    def __init__(self) -> None:
        self.tools: dict[str, ToolSpec] = {spec.name: spec for spec in BUILTIN_TOOLS}
        self.llms: dict[str, LLMSpec] = {}
        self.storages: dict[str, StorageFunction] = {}
        self.erasers: dict[str, EraserFunction] = {}
        self.guardrails: dict[str, GuardrailSpec] = {}
        self.predicates: dict[str, PredicateSpec] = {}
        self.redactor: RedactorFunction | None = None
        self.assign: AssignFunction | None = None
        self.handlers: dict[str, HandlerSpec] = {}

    def add_tool(self, spec: FunctionToolSpec) -> None:
        """Register a tool.

        :raises ValueError: if the name is taken or invalid, or models could not call the tool.
        """
        self._check_tool(spec)
        if inspect.iscoroutinefunction(spec.function):
            raise ValueError(f"Tool '{spec.name}' must be an ordinary function, not a coroutine.")
        _check_parameters(spec)
        self.tools[spec.name] = spec

    def add_external_tool(self, spec: ExternalToolSpec) -> None:
        """Register a tool that is defined elsewhere.

        :raises ValueError: if the name is taken or invalid.
        """
        self._check_tool(spec)
        self.tools[spec.name] = spec

    def _check_tool(self, spec: ToolSpec) -> None:
        if any(spec.name == builtin.name for builtin in BUILTIN_TOOLS):
            raise ValueError(f"'{spec.name}' is a built-in tool. Choose another name.")
        _check_name("tool", spec.name, self.tools)
        if not spec.description.strip():
            raise ValueError(
                f"Tool '{spec.name}' needs a description, or its function a docstring:"
                " the model knows nothing else about it."
            )
        if spec.on_unknown not in t.get_args(OnUnknown):
            raise ValueError(
                f"'on_unknown' of tool '{spec.name}' must be 'repeat', 'ask' or 'fail'."
            )
        _check_positive(f"The timeout of tool '{spec.name}'", spec.timeout)
        _check_positive(f"'max_output_chars' of tool '{spec.name}'", spec.max_output_chars)

    def add_llm(self, spec: LLMSpec) -> None:
        """Register a model.

        :raises ValueError: if the name is taken or invalid, or the model could not be reached.
        """
        _check_name("model", spec.name, self.llms)
        if spec.api_key is None and spec.base_url is None:
            raise ValueError(
                f"Model '{spec.name}' needs an 'api_key', for instance"
                " 'api_key=lambda: os.environ[\"OPENAI_API_KEY\"]', or a 'base_url'."
            )
        _check_positive(f"'max_tokens' of model '{spec.name}'", spec.max_tokens)
        if spec.on_truncated not in ("accept", "fail"):
            raise ValueError(f"'on_truncated' of model '{spec.name}' must be 'accept' or 'fail'.")
        for other in spec.fallbacks:
            if other not in self.llms:
                raise ValueError(
                    f"Model '{spec.name}' falls back to '{other}', which is not registered."
                    " Register it first; this order also keeps a model from falling back to itself."
                )
        self.llms[spec.name] = spec

    def add_storage(self, name: str, function: StorageFunction) -> None:
        """Register a storage of files.

        :raises ValueError: if the name is taken or invalid, or the function cannot be called.
        """
        _check_name("storage", name, self.storages)
        if inspect.iscoroutinefunction(function):
            raise ValueError(f"Storage '{name}' must be an ordinary function, not a coroutine.")
        try:
            inspect.signature(function).bind("reference", "user id")
        except TypeError as error:
            raise ValueError(
                f"Storage '{name}' is called with a reference and a user id: {error}."
            ) from error
        self.storages[name] = function

    def add_eraser(self, name: str, function: EraserFunction) -> None:
        """Register what erases the host's own data of a user.

        :raises ValueError: if the name is taken or invalid, or the function cannot be called.
        """
        _check_name("eraser", name, self.erasers)
        try:
            inspect.signature(function).bind("user id", False)
        except TypeError as error:
            raise ValueError(
                f"Eraser '{name}' is called with a user id and whether to only count: {error}."
            ) from error
        self.erasers[name] = function

    def add_guardrail(self, spec: GuardrailSpec) -> None:
        """Register a guardrail.

        :raises ValueError: if the name is taken or invalid, or the function cannot be called.
        """
        _check_name("guardrail", spec.name, self.guardrails)
        _check_function("guardrail", spec, "an answer")
        self.guardrails[spec.name] = spec

    def add_predicate(self, spec: PredicateSpec) -> None:
        """Register a predicate.

        :raises ValueError: if the name is taken or invalid, or the function cannot be called.
        """
        _check_name("predicate", spec.name, self.predicates)
        _check_function("predicate", spec, "a text", "its JSON or None")
        self.predicates[spec.name] = spec

    def add_handler(self, spec: HandlerSpec) -> None:
        """Register a handler of notifications.

        :raises ValueError: if the name is taken or too long, or the function cannot be called.
        """
        if spec.name in self.handlers:
            raise ValueError(
                f"There is already a handler called '{spec.name}'. Pass another 'name'. Register it"
                " next to the 'CrewExec' instance, and not in an application factory."
            )
        if len(spec.name) > MAX_HANDLER_NAME:
            raise ValueError(f"The name of a handler has at most {MAX_HANDLER_NAME} characters.")
        if inspect.iscoroutinefunction(spec.function):
            raise ValueError(
                f"Handler '{spec.name}' must be an ordinary function, not a coroutine."
            )
        try:
            inspect.signature(spec.function).bind("notification")
        except TypeError as error:
            raise ValueError(
                f"Handler '{spec.name}' is called with a notification: {error}."
            ) from error
        self.handlers[spec.name] = spec

    def permissions_for(self, roles: Collection[str] | None) -> Permissions:
        """Return what a user with these *roles* may use; None allows everything."""
        tools = _names_for(roles, self.tools.values())
        models = _names_for(roles, self.llms.values())
        role_limits = RoleLimits(
            denied={"tool": self.tools.keys() - tools, "model": self.llms.keys() - models},
            max_tokens={
                name: spec.max_tokens for name, spec in self.llms.items() if spec.max_tokens
            },
            on_unknown=self.on_unknown,
            approvals={
                name: spec.approval.host_approval
                for name, spec in self.tools.items()
                if spec.approval is not None
            },
            host_assigns=self.assign is not None,
        )
        return Permissions(tools, models, self.guardrails, self.predicates, role_limits)

    @property
    def on_unknown(self) -> dict[str, OnUnknown]:
        """What is done about interrupted calls, by tool."""
        return {name: spec.on_unknown for name, spec in self.tools.items()}

    def fallback_chain(self, name: str) -> list[LLMSpec]:
        """Return a model and its fallbacks in the order in which they are tried, each once."""
        found: dict[str, LLMSpec] = {}
        pending = [name]
        while pending:
            spec = self.llms[pending.pop(0)]
            if spec.name not in found:
                found[spec.name] = spec
                pending = [*spec.fallbacks, *pending]
        return list(found.values())


def check_called(decorator: str, *names: object, example: str = "name") -> None:
    """Refuse a decorator that was written without parentheses, which would register nothing.

    :raises TypeError: if one of its *names* is no text.
    """
    if any(not isinstance(each, str) for each in names):
        raise TypeError(f'Write @crewexec.{decorator}("{example}").')


def _names_for(roles: Collection[str] | None, specs: Iterable[ToolSpec | LLMSpec]) -> set[str]:
    """Return the names of the *specs* that a user with these *roles* may use."""
    return {
        spec.name
        for spec in specs
        if roles is None or spec.roles is None or not set(roles).isdisjoint(spec.roles)
    }


def _check_positive(what: str, number: float | None) -> None:
    if number is not None and not 0 < number < math.inf:
        raise ValueError(f"{what} must be greater than zero and finite; it is {number!r}.")


def _check_function(kind: str, spec: GuardrailSpec | PredicateSpec, *arguments: str) -> None:
    if not spec.description.strip():
        raise ValueError(
            f"{kind.capitalize()} '{spec.name}' needs a description, or its function a docstring:"
            " users know nothing else about it."
        )
    if inspect.iscoroutinefunction(spec.function):
        raise ValueError(
            f"{kind.capitalize()} '{spec.name}' must be an ordinary function, not a coroutine."
        )
    try:
        inspect.signature(spec.function).bind(*arguments)
    except TypeError as error:
        raise ValueError(
            f"{kind.capitalize()} '{spec.name}' must take {' and '.join(arguments)}: {error}."
        ) from error


def _check_name(kind: str, name: str, taken: dict[str, t.Any]) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a valid name of a {kind}: use up to 64 lower-case letters, digits and"
            " underscores, beginning with a letter."
        )
    if name in taken:
        raise ValueError(
            f"There is already a {kind} called '{name}'. Register it once, next to the 'CrewExec'"
            " instance, and not in an application factory, which may run twice."
        )


def _check_parameters(spec: FunctionToolSpec) -> None:
    for parameter in inspect.signature(spec.function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(
                f"Tool '{spec.name}' takes '{parameter}': models pass arguments by name, so"
                " every parameter must accept its argument by name."
            )
        if parameter.annotation is parameter.empty:
            raise ValueError(
                f"Parameter '{parameter.name}' of tool '{spec.name}' needs a type annotation:"
                " models need to know the type."
            )
        if parameter.name.startswith(("_", "model_")):
            raise ValueError(
                f"Parameter '{parameter.name}' of tool '{spec.name}' needs another name:"
                " names that begin with '_' or 'model_' cannot be passed by models."
            )
    _check_hints(spec)


def _check_hints(spec: FunctionToolSpec) -> None:
    try:
        _ = spec.hints
    except NameError as error:
        raise ValueError(
            f"The annotations of tool '{spec.name}' cannot be resolved: {error}."
        ) from error
