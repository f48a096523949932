"""Model spec -> LLM: builds CrewAI's LLM objects."""

from __future__ import annotations

import os
import typing as t

import openai.resources  # noqa: F401  # else each process imports it with its first call

from ..errors import ModelMisconfigured
from ..graphs import LlmNode
from ..registry.secrets import Secret
from ..registry.secrets import SecretResolver
from ..registry.specs import LLMSpec
from ..registry.specs import resolve
from .crewai_shims.openai_llm import COMPATIBLE_PROVIDERS
from .crewai_shims.openai_llm import is_reasoning_model
from .crewai_shims.openai_llm import OpenAICompatibleLLM
from .crewai_shims.openai_llm import OpenAILLM
from .crewai_shims.public_api import BaseLLM
from .crewai_shims.public_api import crewai
from .model_connections import ModelConnections

OPENAI_URL: t.Final = "https://api.openai.com/v1"


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
    :raises ModelMisconfigured: if it cannot be built as it is registered.
    """
    model = resolve(spec.model)
    options = {
        **spec.options,
        **_graph_options(spec, node, model),
        "timeout": spec.timeout or default_timeout,
        "max_retries": 0,  # the SDK's retries would multiply ours
    }
    base_url = None if spec.base_url is None else resolve(spec.base_url)
    # Without a key, the one in the environment would be sent to base_url.
    options["api_key"] = "none" if spec.api_key is None else secrets.resolve(spec.api_key) or "none"
    try:
        llm = _instantiate(spec, model, base_url, connections, options)
    except Exception as error:
        raise ModelMisconfigured(
            f"Model '{spec.name}' cannot be used as it is registered."
        ) from error
    if unknown := isinstance(llm, OpenAILLM) and llm.unknown_options():
        names = ", ".join(f"'{name}'" for name in sorted(unknown))
        raise ModelMisconfigured(f"Model '{spec.name}' has unknown options: {names}.")
    return llm


def _instantiate(
    spec: LLMSpec,
    model: str,
    base_url: str | None,
    connections: ModelConnections,
    options: dict[str, t.Any],
) -> BaseLLM:
    own_client = {"client_params": {"http_client": connections.client}}
    if spec.provider == "openai":
        given = {**_account(spec), **options, **own_client}
        return OpenAILLM(model=model, base_url=base_url or OPENAI_URL, **given)
    if base_url is not None:
        options["base_url"] = base_url
    if spec.provider in COMPATIBLE_PROVIDERS:
        given = {"provider": spec.provider, **options, **own_client}
        return OpenAICompatibleLLM(model=model, **given)
    return crewai.LLM(model=f"{spec.provider}/{model}", **options)


def _account(spec: LLMSpec) -> dict[str, t.Any]:
    """Return the host's account at OpenAI, to be used with the host's own key at OpenAI only."""
    if spec.base_url is not None or isinstance(spec.api_key, Secret):
        return {}
    return {
        "organization": os.environ.get("OPENAI_ORG_ID"),
        "project": os.environ.get("OPENAI_PROJECT_ID"),
    }


def _graph_options(spec: LLMSpec, node: LlmNode | None, model: str) -> dict[str, float | int]:
    """Return the options that the graph and the limit of the model decide."""
    reasoning = is_reasoning_model(model) if spec.reasoning is None else spec.reasoning
    newer = reasoning or "max_completion_tokens" in spec.options
    name = "max_completion_tokens" if newer else "max_tokens"
    asked = None if node is None else node.max_tokens
    limits: tuple[int | None, ...] = (spec.max_tokens, spec.options.get(name), asked)
    options = {
        name: min((limit for limit in limits if limit is not None), default=None),
        "temperature": None if node is None or reasoning else node.temperature,
    }
    return {key: value for key, value in options.items() if value is not None}
