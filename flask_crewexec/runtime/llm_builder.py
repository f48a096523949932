"""Model spec -> LLM: builds CrewAI's LLM objects."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import typing as t

import httpcore  # noqa: F401  # as openai.resources
import httpx
import openai.resources  # noqa: F401  # else each process imports it with its first call

from ..graphs import LlmNode
from ..registry.secrets import SecretResolver
from ..registry.specs import LLMSpec
from ..registry.specs import resolve
from .crewai_shims.llms import SyncOpenAICompletion
from .crewai_shims.public_api import BaseLLM
from .crewai_shims.public_api import crewai

OPENAI_URL: t.Final = "https://api.openai.com/v1"


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """Return the TLS context of this process: reading the certificates takes 25 ms."""
    return httpx.create_ssl_context()


class ModelConnections(contextlib.AbstractContextManager["ModelConnections"]):
    """The HTTP connections of one run to its models, closed at its end."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.aborted = False
        """Whether calls fail because they were aborted, and not because of the model."""
        self.client = httpx.Client(verify=_ssl_context(), event_hooks={"request": [self._trace]})

    def __exit__(self, *args: object) -> None:
        self.client.close()

    def abort(self) -> None:
        """Abort pending calls, from another thread."""
        self.aborted = True
        for connection in tuple(self._sockets):
            with contextlib.suppress(OSError):  # it is closed already
                # Not SSLSocket.shutdown: after it, the other thread could send plain text.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _trace(self, request: httpx.Request) -> None:
        # https://www.python-httpx.org/advanced/extensions/#trace
        request.extensions["trace"] = self._add_socket

    def _add_socket(self, event: str, info: dict[str, t.Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._sockets.append(info["return_value"].get_extra_info("socket"))


def build_llm(
    spec: LLMSpec,
    node: LlmNode | None,
    secrets: SecretResolver,
    connections: ModelConnections,
    default_timeout: float,
) -> BaseLLM:
    """Return a new LLM object; agents never share one, since usage would be counted twice.

    :param node: the graph's node for this use of the model, if it has one.
    :param default_timeout: timeout of a call, if the host has not set one for the model.
    :raises SecretMissing: if it needs a secret that neither user nor host has.
    """
    options = {
        **spec.options,
        **_node_options(spec, node),
        "timeout": spec.timeout or default_timeout,
        "max_retries": 0,  # the SDK's retries would multiply ours
    }
    base_url = None if spec.base_url is None else resolve(spec.base_url)
    # Without a key, the one in the environment would be sent to base_url.
    api_key = "none" if spec.api_key is None else secrets.resolve(spec.api_key) or "none"
    if spec.provider == "openai":
        return SyncOpenAICompletion(
            model=resolve(spec.model),
            base_url=base_url or OPENAI_URL,
            api_key=api_key,
            client_params={"http_client": connections.client},
            **options,
        )
    if base_url is not None:
        options["base_url"] = base_url
    return crewai.LLM(model=f"{spec.provider}/{resolve(spec.model)}", api_key=api_key, **options)


def _node_options(spec: LLMSpec, node: LlmNode | None) -> dict[str, float | int]:
    limits = [spec.max_tokens, None if node is None else node.max_tokens]
    options = {
        "temperature": None if node is None else node.temperature,
        "max_tokens": min((limit for limit in limits if limit is not None), default=None),
    }
    return {key: value for key, value in options.items() if value is not None}
