"""Digest of what must be the same for a step to continue in the middle."""

from __future__ import annotations

import typing as t
import weakref
from collections.abc import Iterable
from collections.abc import Iterator

import pydantic

from ..crewai_shims.public_api import BaseLLM
from ..crewai_shims.public_api import crewai
from .scopes import digest_of


def fingerprint_of(crew: crewai.Crew) -> str:
    """Return the digest of the models and tools of a crew, and of CrewAI, which writes prompts."""
    agents = [*crew.agents, *(task.agent for task in crew.tasks), crew.manager_agent]
    return digest_of(
        crewai.__version__,
        [_describe(agent.llm, agent.tools) for agent in agents if agent is not None],
        [_tools(task.tools) for task in crew.tasks],
    )


def _describe(llm: t.Any, tools: Iterable[t.Any] | None) -> object:
    return [[*_models(llm)], _tools(tools)]


def _models(llm: BaseLLM) -> Iterator[str]:
    for member in getattr(llm, "_llms", [llm]):
        yield f"{member.provider}/{member.model}"


def _tools(tools: Iterable[t.Any] | None) -> object:
    return [[tool.name, _schema_digest(tool.args_schema)] for tool in tools or ()]


_schemas: t.Final[weakref.WeakKeyDictionary[type, str]] = weakref.WeakKeyDictionary()
"""Digests of the arguments of tools: making a schema takes a millisecond."""


def _schema_digest(arguments: type[pydantic.BaseModel]) -> str:
    digest = _schemas.get(arguments)
    if digest is None:
        digest = _schemas[arguments] = digest_of(arguments.model_json_schema())
    return digest
