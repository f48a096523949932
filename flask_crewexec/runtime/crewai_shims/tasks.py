"""CrewAI's tasks with what ours can do beyond them."""

from __future__ import annotations

import contextvars
import json
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import wait

from pydantic import PrivateAttr

from ...registry.specs import PredicateFunction
from .import_switches import ConditionalTask
from .import_switches import crewai
from .import_switches import get_i18n
from .import_switches import TaskOutput


class Step(crewai.Task):
    """A task that is not done again, and whose answer may have to follow a JSON Schema.

    Not by CrewAI's ``output_json``: it makes calls of its own where an answer does not fit, past
    our connections and limits, fetches references, and gives null for what was left out.
    """

    _schema: Mapping[str, t.Any] | None = PrivateAttr(default=None)
    _planner: Callable[[t.Any, str], str] | None = PrivateAttr(default=None)
    _plans: list[str] = PrivateAttr(default_factory=list)
    _branch: Future[TaskOutput] | None = PrivateAttr(default=None)

    def execute_sync(self, *args: t.Any, **kwargs: t.Any) -> TaskOutput:
        """Return the answer; one that an earlier attempt has got, even if others are missing."""
        return self.output or super().execute_sync(*args, **kwargs)

    def execute_async(self, *args: t.Any, **kwargs: t.Any) -> Future[TaskOutput]:
        """Do the task in a thread.

        Where CrewAI's own thread ends by other than an exception, it leaves the crew waiting.
        """
        future = self._branch = Future()

        def work() -> None:
            try:
                future.set_result(self.execute_sync(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # whoever waits raises it
                future.set_exception(error)

        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(work,), name="crewexec-branch", daemon=True).start()
        return future

    def join(self) -> None:
        """Wait for the thread, if there is one."""
        if self._branch is not None:
            wait([self._branch])

    def set_output_schema(self, schema: Mapping[str, t.Any] | None) -> None:
        """Let whoever does the task know which *schema* the answer is to follow."""
        self._schema = schema

    def set_planner(self, planner: Callable[[t.Any, str], str]) -> None:
        """Let *planner* plan the task before it is done: it takes the agent and what it is told."""
        self._planner = planner

    def add_plan(self, plan: str) -> None:
        """Let whoever does the task follow a part of the crew's *plan*."""
        self._plans.append(plan)

    def prompt(self) -> str:
        """Return what is to be done, and how it is planned."""
        told = self._base_prompt()
        if self._planner is not None:
            planner, self._planner = self._planner, None  # it is planned once
            read = f"\n\n# What you have to work with\n{self.prompt_context}"
            plan = planner(self.agent, told + (read if self.prompt_context else ""))
            self._plans.append(plan)
        return "\n\n# Plan\n".join([told, *self._plans])

    def _base_prompt(self) -> str:
        told: str = super().prompt()
        if self._schema is None:
            return told
        schema = json.dumps(self._schema, ensure_ascii=False)
        wanted = get_i18n().slice("formatted_task_instructions").replace("{output_format}", schema)
        return f"{told}\n{wanted}"


class ConditionalStep(Step, ConditionalTask):
    """A step that is skipped unless a predicate is met by what the step before has answered."""

    _predicate: PredicateFunction | None = PrivateAttr(default=None)
    _tell: Callable[[TaskOutput | None], None] | None = PrivateAttr(default=None)

    def set_condition(
        self, predicate: PredicateFunction, tell: Callable[[TaskOutput | None], None]
    ) -> None:
        """Ask *predicate*, and *tell* what it has said: the output of a skipped step, or None.

        Without, the step is done: that was decided before.
        """
        self._predicate = predicate
        self._tell = tell

    def should_execute(self, context: TaskOutput) -> bool:
        """Return whether the step is done."""
        if self._predicate is None or self._tell is None:
            return True
        met = self._predicate(context.raw, context.json_dict)
        if not isinstance(met, bool):
            raise TypeError(f"A predicate must return True or False, not {met!r}.")
        self._tell(None if met else self.get_skipped_task_output())
        return met
