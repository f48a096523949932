"""The extension: wires the rooms together for one or more applications."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa
from flask import Flask

from .adapters import CrewaiTool
from .adapters import mcp_tool_name
from .adapters import McpServer
from .adapters import McpTool
from .binding import Binding
from .binding import current_binding
from .binding import Database
from .celery_app import bind_celery
from .cli import command_group
from .identity import as_allowed
from .identity import IdentityLoader
from .logs import connect_logs
from .models import define_models
from .models import ExecutionMixin
from .models import GraphMixin
from .models import Models
from .news import tell_listeners
from .registry import GuardrailFunction
from .registry import GuardrailSpec
from .registry import ModelSpec
from .registry import PredicateFunction
from .registry import PredicateSpec
from .registry import Registry
from .registry import Setting
from .registry import StorageFunction
from .registry import ToolFunction
from .registry import ToolSpec
from .secrets import key_ring_var
from .secrets import Secret
from .secrets import SecretProvider
from .settings import Settings
from .tasks import register_tasks
from .web import create_blueprint
from .worker import connect_signals

F = t.TypeVar("F", bound=ToolFunction)
G = t.TypeVar("G", bound=GuardrailFunction)
L = t.TypeVar("L", bound=IdentityLoader)
P = t.TypeVar("P", bound=PredicateFunction)
S = t.TypeVar("S", bound=StorageFunction)
V = t.TypeVar("V", bound=SecretProvider)


class CrewExec:
    """Queue, run, watch and cancel crews in the background of a Flask application.

    ::

        crewexec = CrewExec(db=db)


        def create_app():
            app = Flask(__name__)
            db.init_app(app)
            crewexec.init_app(app)
            return app

    :param app: call :meth:`init_app` on this application.
    :param db: your Flask-SQLAlchemy or Flask-SQLAlchemy-Lite object. Without one, the
        application's is used, or a Flask-SQLAlchemy of our own if it has none.
    :param metadata: the metadata of your models, where ``db`` does not know it
        (Flask-SQLAlchemy-Lite).
    :param bind_key: keep our tables in this one of several databases.
    :param execution_model: your subclass of :class:`~flask_crewexec.ExecutionMixin`.
    :param graph_model: your subclass of :class:`~flask_crewexec.GraphMixin`.
    """

    def __init__(
        self,
        app: Flask | None = None,
        db: Database | None = None,
        *,
        metadata: sa.MetaData | None = None,
        bind_key: str | None = None,
        execution_model: type[ExecutionMixin] | None = None,
        graph_model: type[GraphMixin] | None = None,
    ) -> None:
        self._metadata = metadata
        self._bind_key = bind_key
        self._graph_model = graph_model
        self._execution_model = execution_model
        self._registry = Registry()
        self._identity_loaders: list[IdentityLoader] = []
        self._secret_providers: list[SecretProvider] = []
        self._db = db
        self._models = None if db is None else self._declare_models(db)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set *app* up: settings, tables, queue, routes and commands.

        :raises ConfigError: for a setting that is unknown or cannot be used.
        :raises RuntimeError: if the application is set up in a way that cannot work.
        """
        if "crewexec" in app.extensions:
            raise RuntimeError(
                "This application has a 'CrewExec' already; call 'init_app' once per application."
            )
        settings = Settings.from_config(app.config)
        database = self._database_of(app)
        celery = bind_celery(app, settings)
        app.extensions["crewexec"] = Binding(
            settings=settings,
            models=self._declare_models(database),
            database=database,
            bind_key=self._bind_key,
            celery=celery,
            registry=self._registry,
            tell_listeners=tell_listeners,
            identity_loaders=self._identity_loaders,
            secret_providers=self._secret_providers,
        )
        register_tasks(celery)
        connect_signals(celery)
        connect_logs()
        app.register_blueprint(create_blueprint(settings))
        app.cli.add_command(command_group())

    @property
    def binding(self) -> Binding:
        """What we know of the current application.

        :raises RuntimeError: outside of an application context, or if the application belongs to
            another 'CrewExec'.
        """
        binding = current_binding()
        if binding.registry is not self._registry:
            raise RuntimeError(
                "This 'CrewExec' does not know the current application: make only one, and call"
                " 'init_app(app)' on it."
            )
        return binding

    @property
    def models(self) -> Models:
        """The mapped classes: ``models.execution``, ``models.graph`` and so on.

        :raises RuntimeError: outside of an application context, if no ``db`` was passed.
        """
        return self._models or self.binding.models

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
            spec = ToolSpec(
                name=name,
                description=description or function.__doc__ or "",
                function=function,
                timeout=timeout,
                roles=as_allowed(roles),
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
        spec = CrewaiTool(
            name=name,
            description=description,
            source=source,
            options=options or {},
            arguments=arguments,
            timeout=timeout,
            roles=as_allowed(roles),
            max_output_chars=max_output_chars,
        )
        self._registry.add_adapted(spec)

    def add_mcp_server(
        self,
        name: str,
        *,
        tools: Mapping[str, str],
        url: Setting | Secret | None = None,
        command: Sequence[str] = (),
        headers: Mapping[str, Setting | Secret] | None = None,
        env: Mapping[str, Setting | Secret] | None = None,
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
        server = McpServer(
            name=name,
            url=url,
            command=command,
            headers=headers or {},
            env=env or {},
            connect_timeout=connect_timeout,
        )
        for its_name, description in tools.items():
            spec = McpTool(
                name=mcp_tool_name(name, its_name),
                its_name=its_name,
                description=description,
                server=server,
                timeout=timeout,
                roles=as_allowed(roles),
                max_output_chars=max_output_chars,
            )
            self._registry.add_adapted(spec)

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
        """Return a key of the user for whom the current tool works.

        It is kept out of all that is stored and logged from then on.

        :raises MissingKey: if there is none; the run then fails.
        :raises RuntimeError: outside of a tool.
        """
        ring = key_ring_var.get(None)
        if ring is None:
            raise RuntimeError("Secrets are known only while a tool runs for somebody.")
        return ring.value(Secret(key) if isinstance(key, str) else key)

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
        model: Setting,
        *,
        provider: str = "openai",
        base_url: Setting | None = None,
        api_key: Setting | Secret | None = None,
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
                roles=as_allowed(roles),
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

    def _database_of(self, app: Flask) -> Database:
        """Return the database of *app*: the one that we were made with, the app's, or a new one."""
        existing = t.cast("Database | None", app.extensions.get("sqlalchemy"))
        if self._db is None and existing is None:
            database = _new_database()
            database.init_app(app)
            return database
        if self._db is None or existing is None:
            return t.cast(Database, self._db or existing)
        if existing is not self._db:
            raise RuntimeError(
                "This application's database is not the one that 'CrewExec' was made with. Pass"
                " the same 'db' to both, or none to 'CrewExec'."
            )
        return existing

    def _declare_models(self, db: Database) -> Models:
        metadata = self._metadata or _metadata_of(db, self._bind_key)
        return define_models(metadata, graph=self._graph_model, execution=self._execution_model)


def _new_database() -> Database:
    from flask_sqlalchemy import SQLAlchemy  # not needed by hosts that use something else

    return SQLAlchemy()


def _metadata_of(db: Database, bind_key: str | None) -> sa.MetaData:
    model: t.Any = getattr(db, "Model", None)
    if model is None:
        raise RuntimeError(
            f"'{type(db).__module__.partition('.')[0]}' does not know your models' metadata."
            " Pass it: 'CrewExec(db=db, metadata=Base.metadata)'."
        )
    if bind_key is not None:
        model = type("_Bound", (model,), {"__abstract__": True, "__bind_key__": bind_key})
    return t.cast(sa.MetaData, model.metadata)
