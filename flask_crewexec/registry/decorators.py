"""The methods with which hosts register tools, models, checks, storages, secrets and users."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from flask import Request

from ..identity import IdentityLoader
from ..identity import optional_roles
from ..schemas.notifications import check_patterns
from .assignment import AssignFunction
from .assignment import check_assign_function
from .registry import check_called
from .registry import Registry
from .secrets import current_secrets
from .secrets import Secret
from .secrets import SecretProvider
from .specs import EraserFunction
from .specs import GuardrailFunction
from .specs import GuardrailSpec
from .specs import HandlerSpec
from .specs import LLMSpec
from .specs import PredicateFunction
from .specs import PredicateSpec
from .specs import RedactorFunction
from .specs import StorageFunction
from .specs import ValueOrFactory
from .tool_decorators import ToolRegistrationMixin
from .users import UserLoader

ExtraColumns = Callable[[Request], Mapping[str, t.Any]]
"""Takes a request; returns values by the names of the host's own columns."""

A = t.TypeVar("A", bound=AssignFunction)
C = t.TypeVar("C", bound=ExtraColumns)
E = t.TypeVar("E", bound=EraserFunction)
G = t.TypeVar("G", bound=GuardrailFunction)
H = t.TypeVar("H", bound=Callable[..., object])
L = t.TypeVar("L", bound=IdentityLoader)
P = t.TypeVar("P", bound=PredicateFunction)
R = t.TypeVar("R", bound=RedactorFunction)
S = t.TypeVar("S", bound=StorageFunction)
U = t.TypeVar("U", bound=UserLoader)
V = t.TypeVar("V", bound=SecretProvider)


class RegistrationMixin(ToolRegistrationMixin):
    """The methods of :class:`~flask_crewexec.CrewExec` with which hosts register what graphs use.

    Call them while modules are imported. All applications of a ``CrewExec`` share the registry.
    """

    def __init__(self) -> None:
        self._registry = Registry()
        self._identity_loaders: list[IdentityLoader] = []
        self._secret_providers: list[SecretProvider] = []
        self._user_loaders: list[UserLoader] = []
        self._extra_columns: list[ExtraColumns] = []

    def secret_provider(self, provider: V) -> V:
        """Register the function that returns the secrets of users.

        It takes the name of a secret and the id of a user, and returns the value, or None if that
        user has none. It is called once for each name in each run, in its own application context.

        :raises RuntimeError: if a provider is already registered.
        """
        if self._secret_providers:
            raise RuntimeError(
                "There is already a secret provider. Register one, next to the 'CrewExec'"
                " instance, and not in an application factory, which may run twice."
            )
        self._secret_providers.append(provider)
        return provider

    def secret(self, key: str | Secret) -> str:
        """Return a secret of the user for whom the current tool, check or storage is called.

        From then on it is redacted from all that is stored and logged.

        :raises SecretMissing: if there is none; the run then fails.
        :raises RuntimeError: outside of a registered function.
        """
        secrets = current_secrets.get(None)
        if secrets is None:
            raise RuntimeError(
                "Secrets are available only in registered functions, while a run calls them."
            )
        return secrets.resolve(Secret(key) if isinstance(key, str) else key)

    def guardrail(self, name: str, *, description: str | None = None) -> Callable[[G], G]:
        """Register the decorated function as a check of the answers of tasks.

        It takes the text of an answer, and returns True or a sentence that says what is wrong,
        which the agent gets to improve its answer. The docstring describes the check to users. It
        is called in an application context, where ``current_execution.user_id`` is the user of the
        run.

        :raises ValueError: if the function cannot be called; the message says why.
        """
        check_called("guardrail", name)

        def register(function: G) -> G:
            text = description or function.__doc__ or ""
            spec = GuardrailSpec(name=name, description=text, function=function)
            self._registry.add_guardrail(spec)
            return function

        return register

    def redactor(self, function: R) -> R:
        """Register the function that sees each text of the call log before it is shown or kept.

        It takes a text and where it goes, and returns the text to use instead: ``"stored"`` is
        what stays after the end of an execution, ``"shown"`` is what the API and the pages show,
        also while it runs, and ``"traced"`` is what the spans of OpenTelemetry contain. Until the
        end, the stored log is exact, since runs continue from it.

        :raises RuntimeError: if a redactor is already registered.
        """
        if self._registry.redactor is not None:
            raise RuntimeError(
                "There is already a redactor. Register one, next to the 'CrewExec' instance, and"
                " not in an application factory, which may run twice."
            )
        self._registry.redactor = function
        return function

    def assign(self, function: A) -> A:
        """Register the function that says who is asked, when an execution asks people.

        It takes a :class:`~flask_crewexec.registry.assignment.Question`, and returns the users and
        roles, such as ``{"users": ["ann"], "roles": ["editor"]}``, or None to ask those whom the
        graph names. Its answer is stored with the input request. It is called on a worker, in an
        application context, where ``current_execution.user_id`` is the owner of the execution, but
        not where a tool names the roles of those who may answer. If it raises an exception, or
        names nobody, nobody is asked, and the run is retried later.

        :raises RuntimeError: if such a function is already registered.
        :raises ValueError: if the function cannot be called like that.
        """
        check_assign_function(function)
        if self._registry.assign is not None:
            raise RuntimeError(
                "There is already a function that says who is asked. Register one, next to the"
                " 'CrewExec' instance, and not in an application factory, which may run twice."
            )
        self._registry.assign = function
        return function

    def predicate(self, name: str, *, description: str | None = None) -> Callable[[P], P]:
        """Register the decorated function as a condition of tasks.

        It takes the answer of the previous step as text (empty if that was skipped) and as JSON or
        None, and returns whether the task runs or is skipped. The docstring describes the condition
        to users. It is called in an application context.

        :raises ValueError: if the function cannot be called; the message says why.
        """
        check_called("predicate", name)

        def register(function: P) -> P:
            text = description or function.__doc__ or ""
            spec = PredicateSpec(name=name, description=text, function=function)
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
        on_truncated: t.Literal["accept", "fail"] = "accept",
        reasoning: bool | None = None,
        **options: t.Any,
    ) -> None:
        """Register a language model.

        Agents that name no model use the one called ``"default"``.

        :param model: the provider's name of the model.
        :param provider: a provider that CrewAI knows. Use ``"openai"`` for every server that speaks
            OpenAI's protocol, such as vLLM or llama.cpp.
        :param base_url: URL of the server, unless it is the provider's own.
        :param api_key: the API key. Like *model* and *base_url* it may be a function without
            arguments, which is called in an application context when a run begins, with
            ``current_execution``: ``lambda: current_app.config[…]``. Starting workers call *model*
            and *base_url* too, without an execution. Use a :class:`~flask_crewexec.Secret` for a
            key of each user.
        :param timeout: seconds that a call may take, instead of ``CREWEXEC_LLM_TIMEOUT``.
        :param max_tokens: maximum number of tokens of one answer; graphs may ask for fewer.
        :param roles: only users with one of these roles may use the model.
        :param fallbacks: models registered before, which are tried in this order within the same
            call when this one is unavailable, its account is empty, the prompt is too long for it,
            or its answer cannot be used.
        :param on_truncated: what to do with an answer that ends at the maximum length: ``"accept"``
            it, with a note in the history, or ``"fail"``.
        :param reasoning: whether the server refuses ``max_tokens`` and ``temperature``, as OpenAI's
            reasoning models do. By default, this is judged by the model's name.
        :param options: further arguments of ``crewai.LLM``, such as ``temperature``. They are sent
            as they are.
        :raises ValueError: if the name is taken or the model could not be reached.
        """
        self._registry.add_llm(
            LLMSpec(
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
                on_truncated=on_truncated,
                reasoning=reasoning,
            )
        )

    def storage(self, name: str) -> Callable[[S], S]:
        """Register the decorated function as the storage of files that inputs refer to.

        An input of the type ``file`` is ``name:reference``. The function is called on a worker, in
        an application context, with the reference and the id of the execution's owner, and decides
        what that user may read. It returns text, bytes in UTF-8, an open file, or None if there is
        no such file for this user. To have the run retried later, raise
        :class:`~flask_crewexec.StorageUnavailable`, TimeoutError or ConnectionError.

        :raises ValueError: if the name is taken, or the function cannot be called like that.
        """
        check_called("storage", name)

        def register(function: S) -> S:
            self._registry.add_storage(name, function)
            return function

        return register

    def eraser(self, name: str) -> Callable[[E], E]:
        """Register the decorated function as what erases your own data of a user.

        It takes the id of the user, and whether to only count, and returns how many rows or files
        it has erased, or would. It is called when the data of a user is erased, in its own
        application context, after the executions of the user were stopped and before their rows
        are deleted. It may be called again for the same user.

        :raises ValueError: if the function cannot be called like that.
        """
        check_called("eraser", name)

        def register(function: E) -> E:
            self._registry.add_eraser(name, function)
            return function

        return register

    def on(self, *events: str, name: str | None = None) -> Callable[[H], H]:
        """Register the decorated function as a handler of what happens to executions.

        It takes a :class:`~flask_crewexec.Notification`, and is called on a worker, in an
        application context, after the change has been committed: at least once for each change,
        and in order for each execution. A handler that raises an exception is called again later,
        up to ten times in three days, so compare :attr:`~flask_crewexec.Notification.id` with what
        you have done.

        :param events: types such as ``"execution.completed"``, ``"execution.*"`` or ``"*"``.
        :param name: what deliveries are stored under; the function's module and name by default.
        :raises ValueError: if an event is unknown, or the function cannot be called like that.
        """
        check_called("on", *events, example="execution.completed")

        def register(function: H) -> H:
            given = name or f"{function.__module__}.{function.__qualname__}"
            patterns = check_patterns(events)
            self._registry.add_handler(
                HandlerSpec(name=given, patterns=patterns, function=function)
            )
            return function

        return register

    def extra_columns(self, function: C) -> C:
        """Register the function that fills your own columns for submissions over HTTP.

        It takes the request of the API or of the dashboard, after the user was identified, and
        returns values by the names of columns, as ``extra`` of
        :meth:`~flask_crewexec.AsyncExecutionService.queue_execution`. Clients cannot set these
        columns otherwise. Let it return the same for the same request: it is part of the content
        that belongs to an idempotency key.

        :raises RuntimeError: if such a function is already registered.
        """
        if self._extra_columns:
            raise RuntimeError(
                "There is already a function that fills columns. Register one, next to the"
                " 'CrewExec' instance, and not in an application factory, which may run twice."
            )
        self._extra_columns.append(function)
        return function

    def identity_loader(self, loader: L) -> L:
        """Register the function that returns the user of the current request.

        It returns an :class:`~flask_crewexec.Identity`, a user id, or None if nobody is logged in.

        :raises RuntimeError: if a loader is already registered.
        """
        if self._identity_loaders:
            raise RuntimeError(
                "There is already an identity loader. Register one, next to the 'CrewExec'"
                " instance, and not in an application factory, which may run twice."
            )
        self._identity_loaders.append(loader)
        return loader

    def user_loader(self, loader: U) -> U:
        """Register the function that returns your own user for the id that is stored.

        It takes the id as text, and returns any object, or None if there is no such user. What it
        returns is ``current_execution.user`` in tools and other functions of yours, and
        ``notification.user`` in handlers. It is called on a worker, when one of them first asks for
        the user, in the application context of that function.

        :raises RuntimeError: if a loader is already registered.
        """
        if self._user_loaders:
            raise RuntimeError(
                "There is already a user loader. Register one, next to the 'CrewExec' instance, and"
                " not in an application factory, which may run twice."
            )
        self._user_loaders.append(loader)
        return loader
