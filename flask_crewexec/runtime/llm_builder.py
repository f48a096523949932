"""Models that the host registered -> CrewAI's LLM objects."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import typing as t

import httpcore  # noqa: F401  # as openai.resources
import httpx
import openai.resources  # noqa: F401  # else every process imports it with its first call

from ..graphs import LlmNode
from ..registry.secrets import SecretResolver
from ..registry.specs import ModelSpec
from ..registry.specs import resolve
from .crewai_shims.llms import SyncOpenAICompletion
from .crewai_shims.public_api import BaseLLM
from .crewai_shims.public_api import crewai

OPENAI_URL: t.Final = "https://api.openai.com/v1"


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """One TLS context per process: reading the certificates takes 25 ms."""
    return httpx.create_ssl_context()


class ModelConnections(contextlib.AbstractContextManager["ModelConnections"]):
    """The HTTP connections to models that belong to one run, closed with it."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.aborted = False
        """Whether calls end because they must, and not for a fault of the model."""
        self.client = httpx.Client(verify=_ssl_context(), event_hooks={"request": [self._trace]})

    def __exit__(self, *args: object) -> None:
        self.client.close()

    def abort(self) -> None:
        """End the calls that are under way, from another thread."""
        self.aborted = True
        for each in tuple(self._sockets):
            with contextlib.suppress(OSError):  # it is closed already
                # Not TLS's own method: it would leave a moment in which others send plain text.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _trace(self, request: httpx.Request) -> None:
        # https://www.python-httpx.org/advanced/extensions/#trace
        request.extensions["trace"] = self._note_socket

    def _note_socket(self, event: str, info: dict[str, t.Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._sockets.append(info["return_value"].get_extra_info("socket"))


def build_llm(
    spec: ModelSpec,
    node: LlmNode | None,
    keys: SecretResolver,
    connections: ModelConnections,
    default_timeout: float,
) -> BaseLLM:
    """Return a new LLM object; agents never share one, or usage would be counted twice.

    :param node: what the graph chose for this use of the model, if it has a node for it.
    :param default_timeout: seconds that one call may take if the host gave the model no limit.
    :raises MissingKey: if it needs a key that nobody has.
    """
    options = {
        **spec.options,
        **_node_options(spec, node),
        "timeout": spec.timeout or default_timeout,
        "max_retries": 0,  # the SDK's own retries would multiply with ours
    }
    base_url = None if spec.base_url is None else resolve(spec.base_url)
    # Without any, a key from the environment would be sent to base_url.
    api_key = "none" if spec.api_key is None else keys.resolve(spec.api_key) or "none"
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


def _node_options(spec: ModelSpec, node: LlmNode | None) -> dict[str, float | int]:
    asked = [spec.max_tokens, None if node is None else node.max_tokens]
    chosen = {
        "temperature": None if node is None else node.temperature,
        "max_tokens": min((each for each in asked if each is not None), default=None),
    }
    return {key: value for key, value in chosen.items() if value is not None}
