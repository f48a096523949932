"""Subclasses of CrewAI's tasks, and how a crew resumes after completed ones."""

from __future__ import annotations

import contextvars
import json
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from concurrent.futures import Future

import crewai
from crewai import TaskOutput
from crewai.tasks.conditional_task import ConditionalTask
from pydantic import PrivateAttr

from ...registry.specs import PredicateFunction
from .prompt_texts import output_format_instructions


class Step(crewai.Task):
    """A task that is not repeated once it has an output, and may demand a JSON Schema.

    It does not use CrewAI's ``output_json``, which makes further calls where an answer does not
    fit, bypassing our connections and limits, fetches references, and returns null for omitted
    properties.
    """

    _schema: Mapping[str, t.Any] | None = PrivateAttr(default=None)
    _planner: Callable[[t.Any, str], str] | None = PrivateAttr(default=None)
    _plans: list[str] = PrivateAttr(default_factory=list)
    _branch: Future[TaskOutput] | None = PrivateAttr(default=None)
    _settled_answer: str | None = PrivateAttr(default=None)

    def execute_sync(self, *args: t.Any, **kwargs: t.Any) -> TaskOutput:
        """Return the answer; that of an earlier attempt, if there is one."""
        return self.output or super().execute_sync(*args, **kwargs)

    def execute_async(self, *args: t.Any, **kwargs: t.Any) -> Future[TaskOutput]:
        """Do the task in a thread.

        CrewAI's own thread would leave the crew waiting if a ``BaseException`` ended it.
        """
        future = self._branch = Future()

        def work() -> None:
            try:
                future.set_result(self.execute_sync(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # the waiting thread raises it
                future.set_exception(error)

        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(work,), name="crewexec-branch", daemon=True).start()
        return future

    def join(self) -> BaseException | None:
        """Wait until the task's thread has ended, if it has one; return its error, if any."""
        return None if self._branch is None else self._branch.exception()

    def set_output_schema(self, schema: Mapping[str, t.Any] | None) -> None:
        """Demand an answer that follows *schema*."""
        self._schema = schema

    def settle(self, answer: str) -> None:
        """Let *answer* be checked and used, without a call of a model."""
        self._settled_answer = answer

    @property
    def settled_answer(self) -> str | None:
        """The answer with which the task was settled; None if its agent has work to do."""
        return self._settled_answer

    def set_planner(self, planner: Callable[[t.Any, str], str]) -> None:
        """Let *planner* plan the task before it is done: it takes the agent and the prompt."""
        self._planner = planner

    def add_plan(self, plan: str) -> None:
        """Add a *plan* to the prompt."""
        self._plans.append(plan)

    def prompt(self) -> str:
        """Return the prompt of the task, with its plans."""
        prompt = self._base_prompt()
        if self._planner is not None:
            planner, self._planner = self._planner, None  # it plans once
            context = f"\n\n# What you have to work with\n{self.prompt_context}"
            plan = planner(self.agent, prompt + (context if self.prompt_context else ""))
            self._plans.append(plan)
        return "\n\n# Plan\n".join([prompt, *self._plans])

    def _base_prompt(self) -> str:
        prompt: str = super().prompt()
        if self._schema is None:
            return prompt
        schema = json.dumps(self._schema, ensure_ascii=False)
        return f"{prompt}\n{output_format_instructions(schema)}"


class ConditionalStep(Step, ConditionalTask):
    """A step that is skipped unless the previous step's answer meets a predicate."""

    _predicate: PredicateFunction | None = PrivateAttr(default=None)
    _on_decision: Callable[[TaskOutput | None], None] | None = PrivateAttr(default=None)

    def set_condition(
        self, predicate: PredicateFunction, on_decision: Callable[[TaskOutput | None], None]
    ) -> None:
        """Let *predicate* decide whether the step is done.

        Without a condition the step is done, as if an earlier attempt had decided so.

        :param on_decision: takes the output of the step if it is skipped, else None.
        """
        self._predicate = predicate
        self._on_decision = on_decision

    def should_execute(self, context: TaskOutput) -> bool:
        """Return whether the step is done."""
        if self._predicate is None or self._on_decision is None:
            return True
        met = self._predicate(context.raw, context.json_dict)
        if not isinstance(met, bool):
            raise TypeError(f"A predicate must return True or False, not {met!r}.")
        self._on_decision(None if met else self.get_skipped_task_output())
        return met


def skip_completed(crew: crewai.Crew, outputs: Mapping[int, dict[str, t.Any]]) -> None:
    """Let *crew* resume after the steps whose *outputs* are known, by their positions."""
    for position, output in outputs.items():
        crew.tasks[position].output = TaskOutput.model_validate(output)
    if outputs:
        crew.checkpoint_kickoff_event_id = "resume"  # any value: CrewAI then keeps these outputs
