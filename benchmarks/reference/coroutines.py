"""Crews as coroutines without any service: all of them at once in one event loop.

``python -m benchmarks.reference.coroutines URL`` reads lines ``number tasks`` from its input, runs
so many crews of so many tasks with the model at the URL, and prints the seconds that they took. It
has every advantage that our worker gives to crews in threads, and calls that wait in no thread.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import sys
import time
import typing as t

import httpx
from crewai import Agent
from crewai import Crew
from crewai import Task
from crewai.agents.agent_executor import AgentExecutor
from crewai.llms.base_llm import BaseLLM
from crewai.llms.providers.openai.completion import OpenAICompletion
from crewai.utilities.agent_utils import aget_llm_response
from crewai.utilities.agent_utils import process_llm_response
from crewai_core.printer import PRINTER
from crewai_core.printer import set_suppress_console_output
from openai import AsyncOpenAI

from flask_crewexec.runtime.crewai_shims.agent_executor import InlineExecutorLoop
from flask_crewexec.runtime.crewai_shims.agent_executor import SingleThreadExecutor

from ..workload import definition
from ..workload import mark


class CoroutineExecutor(SingleThreadExecutor):
    """Waits for its model in the event loop."""

    _flow_definition = AgentExecutor.flow_definition()

    async def call_llm_and_parse(self) -> t.Literal["parsed"]:  # type: ignore[override]
        """Ask the model; the stub always gives a final answer."""
        answer = await aget_llm_response(
            llm=t.cast(BaseLLM, self.llm),
            messages=list(self.state.messages),
            callbacks=self.callbacks,
            printer=PRINTER,
            from_task=self.task,
            from_agent=self.agent,
            executor_context=self,
            verbose=False,
        )
        self.state.current_answer = process_llm_response(str(answer), self.use_stop_words)
        return "parsed"


class AsyncCompletion(OpenAICompletion):
    """OpenAI's protocol without the client that waits in a thread."""

    def _build_sync_client(self) -> None:
        """Build none."""

    def _build_async_client(self) -> AsyncOpenAI:
        client = httpx.AsyncClient(verify=_tls())
        return AsyncOpenAI(http_client=client, **self._get_client_params())


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def build_crew(plan: dict[str, t.Any], model_url: str, topic: str) -> Crew:
    """Return a new crew with the topic in its texts."""

    def filled(fields: dict[str, str]) -> dict[str, t.Any]:
        return {name: text.replace("{topic}", topic) for name, text in fields.items()}

    agents = {
        name: Agent(
            llm=AsyncCompletion(model="gpt-4o-mini", base_url=model_url, api_key="sk-plain"),
            executor_class=CoroutineExecutor,
            respect_context_window=False,
            use_better_compaction=False,
            **filled(fields),
        )
        for name, fields in plan["agents"].items()
    }
    tasks = []
    for fields in plan["tasks"]:
        agent = agents[fields["agent"]]
        tasks.append(Task(**filled(fields) | {"agent": agent}))
    return Crew(agents=list(agents.values()), tasks=tasks, tracing=False)


async def run(number: int, tasks: int, model_url: str) -> float:
    """Return the seconds for so many crews."""
    plan = definition(tasks)
    began = time.perf_counter()
    crews = (build_crew(plan, model_url, mark()) for _ in range(number))
    await asyncio.gather(*(_run(crew) for crew in crews))
    return time.perf_counter() - began


async def _run(crew: Crew) -> None:
    await crew.akickoff()
    for agent in crew.agents:
        await t.cast(AsyncCompletion, agent.llm)._get_async_client().close()


def main() -> None:
    """Answer each line of the input."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever CrewAI prints is no answer
    set_suppress_console_output(True)
    for line in sys.stdin:
        number, tasks = map(int, line.split())
        with asyncio.Runner(loop_factory=InlineExecutorLoop) as runner:
            print(runner.run(run(number, tasks, sys.argv[1])), file=answers, flush=True)


if __name__ == "__main__":
    main()
