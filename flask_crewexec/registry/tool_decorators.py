"""The methods with which hosts register tools."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence

from ..graphs import OnUnknown
from ..identity import optional_roles
from .approval import ApprovalOption
from .approval import read_approval
from .external_tools import CrewAIToolSpec
from .external_tools import mcp_tool_name
from .external_tools import McpServerSpec
from .external_tools import McpToolSpec
from .registry import check_called
from .registry import Registry
from .secrets import Secret
from .specs import FunctionToolSpec
from .specs import ToolFunction
from .specs import ValueOrFactory

F = t.TypeVar("F", bound=ToolFunction)


class ToolRegistrationMixin:
    """The part of :class:`~.RegistrationMixin` that is about tools."""

    _registry: Registry

    def tool(
        self,
        name: str,
        *,
        description: str | None = None,
        timeout: float | None = None,
        roles: Collection[str] | None = None,
        max_output_chars: int | None = None,
        on_unknown: OnUnknown = "repeat",
        approval: ApprovalOption = "never",
    ) -> Callable[[F], F]:
        """Register the decorated function as a tool of agents.

        Its docstring describes the tool to the model, its annotations the arguments. It is called
        in an application context, where ``current_execution.user_id`` is the user of the run.

        :param timeout: seconds that a call may take. With a timeout the call runs in a thread of
            its own; if it takes longer, the model gets an error and the result is discarded.
        :param roles: only users with one of these roles may use the tool.
        :param max_output_chars: maximum length of the output, in characters, instead of
            ``CREWEXEC_MAX_TOOL_OUTPUT_CHARS``.
        :param on_unknown: what to do with a call that was interrupted together with its worker, so
            that nobody knows whether it has had its effect: ``"repeat"`` it, with the same
            ``current_execution.call_id``, ``"ask"`` a person what to do, or ``"fail"`` the
            execution, so that somebody can look.
            A call that has ended is never made again.
        :param approval: which calls people must approve before they are made: ``"always"``,
            ``"never"``, a function of the arguments and the id of the execution's owner that
            returns whether they must, or an :class:`~flask_crewexec.Approval`, which also says who
            is asked and how. A set, list or tuple of roles, such as ``{"editor"}``, is short for
            ``Approval(roles=…)``. A graph may demand more, but never less.
        :raises ValueError: if models could not use the function; the message says why.
        """
        check_called("tool", name)

        def register(function: F) -> F:
            spec = FunctionToolSpec(
                name=name,
                description=description or function.__doc__ or "",
                function=function,
                timeout=timeout,
                roles=optional_roles(roles),
                max_output_chars=max_output_chars,
                on_unknown=on_unknown,
                approval=read_approval(approval),
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
        on_unknown: OnUnknown = "repeat",
        approval: ApprovalOption = "never",
    ) -> None:
        """Register a class derived from CrewAI's ``BaseTool``; only workers import it.

        *timeout*, *roles*, *max_output_chars*, *on_unknown* and *approval* are those of
        :meth:`tool`.

        :param source: ``"module:Class"``, such as ``"crewai_tools:ScrapeWebsiteTool"``.
        :param description: description of the tool for users and models.
        :param options: keyword arguments of the class; values may be
            :class:`~flask_crewexec.Secret`.
        :param arguments: JSON Schema of the arguments, shown to users.
        :raises ValueError: if the name is taken or a value is invalid.
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
            on_unknown=on_unknown,
            approval=read_approval(approval),
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
        on_unknown: OnUnknown = "repeat",
        approval: ApprovalOption | Mapping[str, ApprovalOption] = "never",
    ) -> None:
        """Register tools of an MCP server, to which workers connect in each run that uses one.

        Graphs use the name of the server and the name of the tool, such as ``files_read``.

        :param tools: the server's names of the tools, with their descriptions. Other tools of the
            server cannot be used, and models never see the server's own descriptions.
        :param url: URL of the server (Streamable HTTP); *headers* are sent to it.
        :param command: command that starts the server. Its environment is *env*, without the
            worker's own secrets.
        :param timeout: seconds that a call may take.
        :param connect_timeout: seconds within which the server must be ready.
        :param approval: as for :meth:`tool`, for all tools of the server, or by the server's names
            of the tools; those that it does not name need no approval.
        :raises ValueError: if a name is taken or a value is invalid.
        """
        server = McpServerSpec(
            name=name,
            url=url,
            command=command,
            headers=headers or {},
            env=env or {},
            connect_timeout=connect_timeout,
        )
        options = approval if isinstance(approval, Mapping) else dict.fromkeys(tools, approval)
        if unknown := options.keys() - tools.keys():
            raise ValueError(
                f"'approval' names the tool {min(unknown)!r}, which is not in 'tools'."
            )
        for remote_name, description in tools.items():
            spec = McpToolSpec(
                name=mcp_tool_name(name, remote_name),
                remote_name=remote_name,
                description=description,
                server=server,
                timeout=timeout,
                roles=optional_roles(roles),
                max_output_chars=max_output_chars,
                on_unknown=on_unknown,
                approval=read_approval(options.get(remote_name, "never")),
            )
            self._registry.add_external_tool(spec)
