"""Validation of the answer of one step: its output schema, then its guardrails."""

from __future__ import annotations

import functools
import json
import typing as t
from collections.abc import Callable
from collections.abc import Sequence

from ..graphs import read_answer
from ..graphs import TaskNode
from ..observability.redaction import Redactor
from ..registry.specs import GuardrailFunction
from ..statuses import ExecutionStatus
from ..text import storable
from ..text import truncate
from .call_log.requests import Verdict
from .crewai_shims.public_api import TaskOutput
from .crewai_shims.step_guardrail import StepGuardrail
from .crewai_shims.step_guardrail import with_json
from .stop_reasons import StopRun

MAX_NAME: t.Final = 100
"""Longest name of a guardrail; a rule in words is its own name."""
MAX_REASON: t.Final = 1000
"""Longest reason that is recorded and sent to the model."""


Check = Callable[[str, str, GuardrailFunction], Verdict]
"""Takes the name of a guardrail, an answer and the guardrail."""


class GuardrailFailed(StopRun):
    """The step's last permitted answer was refused as well."""

    status = ExecutionStatus.FAILED
    code = "guardrail-failed"


class AnswerValidator(StepGuardrail):
    """All checks of one step, combined into one guardrail.

    With several guardrails, CrewAI would not repeat the first one for an answer that was written
    again because of the second one.

    :param guardrails: pairs of a name and a function.
    :param max_chars: maximum length of a stored answer; longer ones cannot be read as JSON.
    :param check: records the verdict of a guardrail.
    :param add_event: takes the type of an event and its data.
    """

    def __init__(
        self,
        task: TaskNode,
        guardrails: Sequence[tuple[str, GuardrailFunction]],
        *,
        max_chars: int,
        add_event: Callable[..., None],
        check: Check,
        redact: Redactor,
    ) -> None:
        super().__init__()
        self._task = task
        self._guardrails = guardrails
        self._max_chars = max_chars
        self._add_event = functools.partial(add_event, step=task.name)
        self._check = check
        self._redact = redact
        self._refusals = 0

    def check(self, output: TaskOutput) -> tuple[bool, t.Any]:
        """Return the accepted answer with its JSON, or what is wrong with it."""
        output, problem = self._read_json(output)
        if problem:
            return False, self._refuse("output_schema", problem, output.raw)
        for name, guardrail in self._guardrails:
            shown = self._shorten(name, MAX_NAME)
            verdict = self._check(shown, output.raw, guardrail)
            if reason := _interpret(name, verdict.value):
                return False, self._refuse(name, reason, output.raw, verdict)
            if verdict.is_new:
                self._add_event("guardrail_passed", guardrail=shown, **verdict.reference)
        return True, output

    def _read_json(self, output: TaskOutput) -> tuple[TaskOutput, str]:
        """Return the answer with its JSON, and what is wrong with that, if anything is."""
        if self._task.output_schema is None:
            return output, ""
        if len(output.raw) > self._max_chars:
            return output, f"The answer has more than {self._max_chars} characters."
        value, problem = read_answer(self._task.output_schema, storable(output.raw))
        if value is None:
            return output, problem
        return with_json(output, json.dumps(value, ensure_ascii=False), value), ""

    def _refuse(self, name: str, reason: str, answer: str, verdict: Verdict | None = None) -> str:
        """Record the refusal of an answer, and return what the model is to correct."""
        name, reason = self._shorten(name, MAX_NAME), self._shorten(reason, MAX_REASON)
        self._refusals += 1
        if verdict is None or verdict.is_new:
            data = {"reason": reason, "answer": self._shorten(answer, MAX_REASON)}
            reference = {} if verdict is None else verdict.reference
            self._add_event("guardrail_failed", guardrail=name, **data, **reference)
        if self._refusals > self._task.guardrail_max_retries:
            raise GuardrailFailed(f"The answer was refused by '{name}': {reason}")
        context = self.context()
        return f"{reason}\n\n### What you have to work with:\n{context}" if context else reason

    def _shorten(self, text: str, limit: int) -> str:
        return truncate(self._redact(storable(text)), limit)


def _interpret(name: str, verdict: object) -> str | None:
    """Return why a guardrail refuses an answer; None if it accepts it."""
    if verdict is True:
        return None
    if isinstance(verdict, str) and verdict.strip():
        return verdict
    raise TypeError(f"Guardrail '{name}' must return True or a sentence, not {verdict!r}.")
