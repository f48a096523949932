"""What hosts register: tools, models, checks, files, keys, and who their users are."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from ..identity import IdentityLoader
from ..identity import optional_roles
from .external_tools import CrewAIToolSpec
from .external_tools import mcp_tool_name
from .external_tools import McpServerSpec
from .external_tools import McpToolSpec
from .registry import Registry
from .secrets import current_secrets
from .secrets import Secret
from .secrets import SecretProvider
from .specs import FunctionToolSpec
from .specs import GuardrailFunction
from .specs import GuardrailSpec
from .specs import ModelSpec
from .specs import PredicateFunction
from .specs import PredicateSpec
from .specs import StorageFunction
from .specs import ToolFunction
from .specs import ValueOrFactory

F = t.TypeVar("F", bound=ToolFunction)
G = t.TypeVar("G", bound=GuardrailFunction)
L = t.TypeVar("L", bound=IdentityLoader)
P = t.TypeVar("P", bound=PredicateFunction)
S = t.TypeVar("S", bound=StorageFunction)
V = t.TypeVar("V", bound=SecretProvider)


class RegistrationMixin:
    """The part of :class:`~flask_crewexec.CrewExec` with which hosts register what they have.

    Registered while modules are imported; all applications of one ``CrewExec`` share it.
    """

    def __init__(self) -> None:
        self._registry = Registry()
        self._identity_loaders: list[IdentityLoader] = []
        self._secret_providers: list[SecretProvider] = []

    def tool(
        self,
        name: str,
        *,
        description: str | None = None,
        timeout: float | None = None,
        roles: Collection[str] | None = None,
        max_output_chars: int | None = None,
    ) -> Callable[[F], F]:
        """Offer the decorated function to agents under *name*.

        The docstring tells the model what it does, the annotations which arguments it takes. It
        runs in an application context; ``current_execution.user_id`` is the user it works for.

        :param timeout: seconds that a call may take. It then runs in a thread of its own; if it
            takes longer, the model is told so, and a late result is dropped.
        :param roles: offer it only to users with one of these roles.
        :param max_output_chars: instead of ``CREWEXEC_MAX_TOOL_OUTPUT_CHARS``.
        :raises ValueError: if models could not use it; the message says why.
        """

        def register(function: F) -> F:
            spec = FunctionToolSpec(
                name=name,
                description=description or function.__doc__ or "",
                function=function,
                timeout=timeout,
                roles=optional_roles(roles),
                max_output_chars=max_output_chars,
            )
            self._registry.add_tool(spec)
            return function

        return register

    def add_crewai_tool(
        self,
        name: str,
        source: str,
        *,
        description: str,
        options: Mapping[str, t.Any] | None = None,
        arguments: dict[str, t.Any] | None = None,
        timeout: float | None = None,
        roles: Collection[str] | None = None,
        max_output_chars: int | None = None,
    ) -> None:
        """Offer a class that derives from CrewAI's ``BaseTool``; only workers import it.

        :param source: ``"module:Class"``, such as ``"crewai_tools:ScrapeWebsiteTool"``.
        :param description: what users and models are told about it.
        :param options: what the class is called with, also :class:`~flask_crewexec.Secret`.
        :param arguments: JSON Schema of the arguments, as users are told it.
        :param timeout: like *roles* and *max_output_chars* as for :meth:`tool`.
        :raises ValueError: if the name is taken or something cannot be used.
        """
        spec = CrewAIToolSpec(
            name=name,
            description=description,
            source=source,
            options=options or {},
            arguments=arguments,
            timeout=timeout,
            roles=optional_roles(roles),
            max_output_chars=max_output_chars,
        )
        self._registry.add_external_tool(spec)

    def add_mcp_server(
        self,
        name: str,
        *,
        tools: Mapping[str, str],
        url: ValueOrFactory | Secret | None = None,
        command: Sequence[str] = (),
        headers: Mapping[str, ValueOrFactory | Secret] | None = None,
        env: Mapping[str, ValueOrFactory | Secret] | None = None,
        timeout: float = 60.0,
        connect_timeout: float = 30.0,
        roles: Collection[str] | None = None,
        max_output_chars: int | None = None,
    ) -> None:
        """Offer tools of an MCP server, which workers open for each run that names one of them.

        Graphs name a tool by both names: ``files_read``.

        :param tools: descriptions by the names that the server gives to its tools. Others stay
            hidden, and models never see the server's own descriptions.
        :param url: where it listens (Streamable HTTP), with *headers*.
        :param command: how it is started, with *env* and nothing secret of the worker's own.
        :param timeout: seconds that a call may take.
        :param connect_timeout: seconds until the server must be ready.
        :raises ValueError: if a name is taken or something cannot be used.
        """
        server = McpServerSpec(
            name=name,
            url=url,
            command=command,
            headers=headers or {},
            env=env or {},
            connect_timeout=connect_timeout,
        )
        for its_name, description in tools.items():
            spec = McpToolSpec(
                name=mcp_tool_name(name, its_name),
                its_name=its_name,
                description=description,
                server=server,
                timeout=timeout,
                roles=optional_roles(roles),
                max_output_chars=max_output_chars,
            )
            self._registry.add_external_tool(spec)

    def secret_provider(self, provider: V) -> V:
        """Register the function that knows keys: it takes a name and a user id.

        It returns the value, or None if that user has none. It is called once per name in each
        run, in an application context of its own.

        :raises RuntimeError: if there is one already.
        """
        if self._secret_providers:
            raise RuntimeError(
                "There is a secret provider already. Register one, where 'CrewExec' is made, and"
                " not in an application factory, which may run twice."
            )
        self._secret_providers.append(provider)
        return provider

    def secret(self, key: str | Secret) -> str:
        """Return a key of the user for whom the current tool, check or storage works.

        It is kept out of all that is stored and logged from then on.

        :raises MissingKey: if there is none; the run then fails.
        :raises RuntimeError: outside of a function that was registered here.
        """
        ring = current_secrets.get(None)
        if ring is None:
            raise RuntimeError(
                "Secrets are known only while a function that you registered runs for somebody."
            )
        return ring.resolve(Secret(key) if isinstance(key, str) else key)

    def guardrail(self, name: str, *, description: str | None = None) -> Callable[[G], G]:
        """Offer the decorated function to tasks, as a check of their answers, under *name*.

        It takes the text of an answer, and returns True or a sentence of what is wrong: the agent
        is told, and answers again. The docstring tells users what it checks. It runs in an
        application context; ``current_execution.user_id`` is the user it works for.

        :raises ValueError: if it could not be called; the message says why.
        """

        def register(function: G) -> G:
            told = description or function.__doc__ or ""
            spec = GuardrailSpec(name=name, description=told, function=function)
            self._registry.add_guardrail(spec)
            return function

        return register

    def predicate(self, name: str, *, description: str | None = None) -> Callable[[P], P]:
        """Offer the decorated function to tasks, as their condition, under *name*.

        It takes the text that the step before has answered (empty if that was skipped) and its
        JSON or None, and returns whether the task is done; it is skipped otherwise. The docstring
        tells users what it asks. It runs in an application context.

        :raises ValueError: if it could not be called; the message says why.
        """

        def register(function: P) -> P:
            told = description or function.__doc__ or ""
            spec = PredicateSpec(name=name, description=told, function=function)
            self._registry.add_predicate(spec)
            return function

        return register

    def llm(
        self,
        name: str,
        model: ValueOrFactory,
        *,
        provider: str = "openai",
        base_url: ValueOrFactory | None = None,
        api_key: ValueOrFactory | Secret | None = None,
        timeout: float | None = None,
        max_tokens: int | None = None,
        roles: Collection[str] | None = None,
        fallbacks: Sequence[str] = (),
        **options: t.Any,
    ) -> None:
        """Offer a language model to agents under *name*.

        The one called ``"default"`` serves agents that choose none.

        :param model: its name at the provider.
        :param provider: one that CrewAI knows; ``"openai"`` is also right for every server that
            speaks OpenAI's protocol, such as vLLM or llama.cpp.
        :param base_url: where the server is, if not at the provider's own address.
        :param api_key: the key. Like *model* and *base_url* it may be a function without arguments,
            called in an application context when a run begins: ``lambda: current_app.config[…]``.
            A :class:`~flask_crewexec.Secret` gives each user a key of their own.
        :param timeout: seconds for which it may be silent, instead of ``CREWEXEC_LLM_TIMEOUT``.
        :param max_tokens: tokens that one answer may have; a graph may ask for fewer.
        :param roles: offer it only to users with one of these roles.
        :param fallbacks: models, registered before, that are asked in turn within the same call
            while this one is limited, away or silent.
        :param options: what else ``crewai.LLM`` takes, such as ``temperature``.
        :raises ValueError: if the name is taken or nobody could reach the model.
        """
        self._registry.add_model(
            ModelSpec(
                name=name,
                model=model,
                provider=provider,
                base_url=base_url,
                api_key=api_key,
                timeout=timeout,
                options=options,
                max_tokens=max_tokens,
                roles=optional_roles(roles),
                fallbacks=tuple(fallbacks),
            )
        )

    def storage(self, name: str) -> Callable[[S], S]:
        """Let inputs of the type ``file`` name files that the decorated function opens.

        It is called on a worker, in an application context, with what stands behind ``name:`` and
        the owner's user id, and decides what that user may read. It returns text, bytes in UTF-8,
        an open file, or None if there is none for this user. To have the run tried again later,
        raise :class:`~flask_crewexec.StorageUnavailable`, TimeoutError or ConnectionError.

        :raises ValueError: if the name is taken, or the function cannot be called like that.
        """

        def register(function: S) -> S:
            self._registry.add_storage(name, function)
            return function

        return register

    def identity_loader(self, loader: L) -> L:
        """Register the function that says who makes the current request.

        It returns an :class:`~flask_crewexec.Identity`, or just a user id, or None for nobody.

        :raises RuntimeError: if there is one already.
        """
        if self._identity_loaders:
            raise RuntimeError(
                "There is an identity loader already. Register one, where 'CrewExec' is made, and"
                " not in an application factory, which may run twice."
            )
        self._identity_loaders.append(loader)
        return loader
