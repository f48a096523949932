"""Graph -> crew: builds CrewAI's objects."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..app_state import AppState
from ..graphs import AgentNode
from ..graphs import DEFAULT_MODEL
from ..graphs import Graph
from ..graphs import Guardrail
from ..graphs import LlmNode
from ..graphs import MANAGER_MAX_ITER
from ..graphs import TaskNode
from ..registry.specs import GuardrailFunction
from .answer_validation import AnswerValidator
from .assignment import Assigner
from .crewai_shims.agent_executor import SingleThreadExecutor
from .crewai_shims.agents import StepAgent
from .crewai_shims.prompt_texts import default_manager_texts
from .crewai_shims.public_api import BaseLLM
from .crewai_shims.public_api import BaseTool
from .crewai_shims.public_api import crewai
from .crewai_shims.tasks import ConditionalStep
from .crewai_shims.tasks import Step
from .event_handler import CrewEventHandler
from .host_callbacks import with_run_context
from .llm_fallbacks import build_llm_with_fallbacks
from .llm_judge import LLMJudge
from .planning import Reasoning
from .resume_state import ResumeState
from .reviews import ReviewedStep
from .reviews import StepReview
from .run_context import RunContext
from .tool_builder import build_tool


def build_crew(
    graph: Graph,
    app_state: AppState,
    run_context: RunContext,
    event_handler: CrewEventHandler,
    resume: ResumeState,
) -> crewai.Crew:
    """Return a crew that runs *graph*; its tasks are in the order of ``graph.tasks``.

    :raises SecretMissing: if a model or tool needs a secret that neither user nor host has.
    :raises ToolUnavailable: if this worker cannot create a tool.
    """
    return _CrewBuilder(graph, app_state, run_context, event_handler, resume).crew()


def _default_manager(model: LlmNode) -> AgentNode:
    """Return the manager that CrewAI would create for a model, but within our limits."""
    texts = default_manager_texts()
    limits = {"allow_delegation": True, "max_iter": MANAGER_MAX_ITER}
    return AgentNode(id=model.id, llm=model, tools=(), **texts, **limits)  # type: ignore[arg-type]


def _responsible_agent(task: TaskNode, graph: Graph) -> AgentNode | LlmNode:
    """Return who is responsible for *task*: its agent or the manager."""
    return graph.manager or next(agent for agent in graph.agents if agent.id == task.agent_id)


class _CrewBuilder:
    def __init__(
        self,
        graph: Graph,
        app_state: AppState,
        run_context: RunContext,
        event_handler: CrewEventHandler,
        resume: ResumeState,
    ) -> None:
        self._graph = graph
        self._nodes = {node.id: node for node in graph.agents}
        self._app_state = app_state
        self._run_context = run_context
        self._event_handler = event_handler
        self._resume = resume

    def crew(self) -> crewai.Crew:
        graph = self._graph
        agents = {node.id: self._agent(node) for node in graph.agents}
        tasks: dict[str, crewai.Task] = {}
        for node in graph.tasks:
            tasks[node.id] = self._task(node, agents, tasks)
        return crewai.Crew(
            name=graph.name,
            agents=list(agents.values()),
            tasks=list(tasks.values()),
            process=crewai.Process(graph.process),
            tracing=False,
            **self._manager(graph.manager),
        )

    def _manager(self, manager: AgentNode | LlmNode | None) -> dict[str, t.Any]:
        if manager is None:
            return {}
        node = manager if isinstance(manager, AgentNode) else _default_manager(manager)
        return {"manager_agent": self._agent(node)}

    def _agent(self, node: AgentNode) -> crewai.Agent:
        return StepAgent(
            role=node.role,
            goal=node.goal,
            backstory=node.backstory,
            llm=self._llm(node.llm),
            tools=self._tools(node.tools),
            allow_delegation=node.allow_delegation,
            max_iter=node.max_iter,
            executor_class=SingleThreadExecutor,
            inject_date=node.inject_date,
            max_retry_limit=0,  # our retries resume after the completed steps
            respect_context_window=False,  # else a token count is requested before every call
            use_better_compaction=False,
        )

    def _task(
        self,
        node: TaskNode,
        agents: dict[str, crewai.Agent],
        tasks: dict[str, crewai.Task],
    ) -> crewai.Task:
        responsible = _responsible_agent(node, self._graph)
        model = responsible.llm if isinstance(responsible, AgentNode) else responsible
        validator = self._validator(node, model)
        step = (Step if node.condition is None else ConditionalStep)(
            name=node.name,
            description=node.description,
            expected_output=node.expected_output,
            agent=self._agent_of(node, agents),
            context=[tasks[id] for id in node.context],
            tools=self._tools(node.tools),
            async_execution=node.is_async,
            markdown=node.markdown,
            guardrail=validator,
            guardrail_max_retries=node.max_answers - 1,  # the validator counts each kind itself
        )
        step.set_output_schema(node.output_schema)
        if isinstance(responsible, AgentNode) and responsible.reasoning:
            step.set_planner(Reasoning(responsible, self._llm(model)))
        if isinstance(step, ConditionalStep) and node.name not in self._resume.decided_steps:
            self._set_condition(step, node)
        if validator is not None:
            validator.context = lambda: step.prompt_context
            if validator.settled_answer is not None:
                step.settle(validator.settled_answer)
        return step

    def _set_condition(self, step: ConditionalStep, node: TaskNode) -> None:
        spec = self._app_state.registry.predicates[node.condition or ""]
        position = self._graph.tasks.index(node)
        step.set_condition(
            with_run_context(spec.function, self._run_context),
            functools.partial(self._event_handler.record_condition, position),
        )

    def _agent_of(self, node: TaskNode, agents: dict[str, crewai.Agent]) -> crewai.Agent | None:
        if node.agent_id is None:
            return None
        if node.is_async:  # an agent object can do only one task at a time
            return self._agent(self._nodes[node.agent_id])
        return agents[node.agent_id]

    def _validator(self, node: TaskNode, judge: LlmNode | None) -> AnswerValidator | None:
        if not node.is_checked:
            return None
        return AnswerValidator(
            node,
            [(guardrail.label, self._guardrail(guardrail, judge)) for guardrail in node.guardrails],
            max_chars=self._app_state.settings.max_output_chars,
            add_event=self._event_handler.add_event,
            check=self._run_context.calls.check,
            redact=self._run_context.redact,
            review=self._review(node),
        )

    def _review(self, node: TaskNode) -> StepReview | None:
        if node.review is None:
            return None
        position = self._graph.tasks.index(node)
        execution = self._run_context.execution
        schema = None if node.output_schema is None else dict(node.output_schema)
        generation = functools.partial(self._run_context.calls.generation_of, position)
        step = ReviewedStep(execution.id, execution.user_id, position, node.name, schema)
        write, message = self._event_handler.write, node.review.message
        shown = message and self._run_context.redact(message)
        review = dataclasses.replace(node.review, message=shown)
        assigner = Assigner(self._app_state.registry.assign, self._run_context)
        settled = self._resume.settled.get(position)
        return StepReview(self._app_state, review, step, settled, generation, write, assigner)

    def _guardrail(self, guardrail: Guardrail, judge: LlmNode | None) -> GuardrailFunction:
        if guardrail.text is None:
            spec = self._app_state.registry.guardrails[guardrail.label]
            return with_run_context(spec.function, self._run_context)
        return LLMJudge(self._llm(judge), guardrail.rendered_rule or guardrail.text)

    def _llm(self, node: LlmNode | None) -> BaseLLM:
        chain = self._app_state.registry.fallback_chain(
            DEFAULT_MODEL if node is None else node.name
        )
        return build_llm_with_fallbacks(
            chain, node, self._run_context, self._app_state.settings.llm_timeout
        )

    def _tools(self, names: tuple[str, ...]) -> list[BaseTool]:
        registered = self._app_state.registry.tools
        max_chars = self._app_state.settings.max_tool_output_chars
        return [build_tool(registered[name], self._run_context, max_chars) for name in names]
