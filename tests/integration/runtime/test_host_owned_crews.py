"""Crews that the host runs itself, in the process of a worker."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

import pytest
from pydantic import Field

from flask_crewexec.runtime.crewai_shims.public_api import BaseLLM
from flask_crewexec.runtime.crewai_shims.public_api import crewai
from flask_crewexec.testing import Rule
from support.graphs import documents
from support.in_process import run

pytestmark = [pytest.mark.sqlite_enough, pytest.mark.libraries]


@dataclasses.dataclass
class Note:
    """A file, as far as CrewAI asks."""

    filename: str
    content_type: str = "text/plain"


class Reader(BaseLLM):
    """Keeps what it is told."""

    told: list[str] = Field(default_factory=list)

    def call(self, messages: t.Any, *args: object, **options: object) -> str:
        self.told.append(str(messages))
        return "Final Answer: read"

    def supports_multimodal(self) -> bool:
        return False


def told_of_note() -> str:
    """Let a crew of the host's own read a file; return what its model is told."""
    reader = Reader(model="reader")
    agent = crewai.Agent(role="Reader", goal="Read", backstory="New here", llm=reader)
    task = crewai.Task(description="Read it", expected_output="text", agent=agent)
    crewai.Crew(agents=[agent], tasks=[task]).kickoff(input_files={"memo": Note("memo-7.txt")})
    return "".join(reader.told)


def test_they_receive_their_files_even_within_a_tool(app, api, model):
    told = [told_of_note()]

    @app.extensions["crewexec_host"].tool("read_note")
    def read_note() -> str:
        """Read a note."""
        told.append(told_of_note())
        return "read"

    model.add(Rule("Do a", tool=("read_note", {}), after_tool=False))
    assert run(api.queue(documents.chain("a", tools=("read_note",)))) == "completed"
    assert ["memo-7.txt" in each for each in told] == [True, True]


def test_executions_start_no_event_loop_to_query_files(api, monkeypatch):
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("An event loop was made")

    id = api.queue(documents.chain("a", "b"))
    monkeypatch.setattr(asyncio, "run", refuse)
    assert run(id) == "completed"
