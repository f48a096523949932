"""Models that the host registered -> CrewAI's LLM objects."""

from __future__ import annotations

import contextlib
import functools
import ssl
import typing as t

import httpx

from ..graphs import LlmNode
from ..registry import ModelSpec
from .crewai_setup import BaseLLM
from .crewai_setup import crewai
from .crewai_setup import OpenAICompletion

OPENAI_URL: t.Final = "https://api.openai.com/v1"


@functools.cache
def _tls() -> ssl.SSLContext:
    """One TLS context per process: reading the certificates takes 25 ms."""
    return httpx.create_ssl_context()


class Connections(contextlib.AbstractContextManager["Connections"]):
    """The HTTP connections to models that belong to one run, closed with it."""

    def __init__(self) -> None:
        self.client = httpx.Client(verify=_tls())

    def __exit__(self, *args: object) -> None:
        self.client.close()


class SyncCompletion(OpenAICompletion):
    """OpenAI's protocol without the asynchronous client, which a run never uses."""

    def _build_async_client(self) -> None:
        """Build none: it would read the certificates once more."""


def build_llm(
    spec: ModelSpec, node: LlmNode | None, connections: Connections, default_timeout: float
) -> BaseLLM:
    """Return a new LLM object; agents never share one, or usage would be counted twice.

    :param node: what the graph chose for this use of the model, if it has a node for it.
    :param default_timeout: seconds that one call may take if the host gave the model no limit.
    """
    options = {
        **spec.options,
        **_choices(node),
        "timeout": spec.timeout or default_timeout,
        "max_retries": 0,  # the SDK's own retries would multiply with ours
    }
    if spec.provider == "openai":
        return SyncCompletion(
            model=spec.model,
            base_url=spec.base_url or OPENAI_URL,
            api_key=spec.secret() or "none",  # else OPENAI_API_KEY would be sent to base_url
            client_params={"http_client": connections.client},
            **options,
        )
    if spec.base_url is not None:
        options["base_url"] = spec.base_url
    return crewai.LLM(model=f"{spec.provider}/{spec.model}", api_key=spec.secret(), **options)


def _choices(node: LlmNode | None) -> dict[str, float | int]:
    if node is None:
        return {}
    chosen = {"temperature": node.temperature, "max_tokens": node.max_tokens}
    return {key: value for key, value in chosen.items() if value is not None}
