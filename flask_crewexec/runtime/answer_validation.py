"""What an answer must pass before its step is finished."""

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
from ..text import replace_surrogates
from ..text import truncate
from .crewai_shims.public_api import TaskOutput
from .crewai_shims.step_guardrail import StepGuardrail
from .crewai_shims.step_guardrail import with_json
from .stop_reasons import StopRun

MAX_NAME: t.Final = 100
"""As much of a rule as names it."""
MAX_REASON: t.Final = 1000
"""Longest reason for a refusal that is told to anybody."""

Note = Callable[..., None]
"""Takes the type of an event and its data."""


class GuardrailFailed(StopRun):
    """The last answer of a step that it may give was refused, too."""

    state = ExecutionStatus.FAILED
    code = "guardrail-failed"


class AnswerValidator(StepGuardrail):
    """All checks of one step, which CrewAI asks as if they were one guardrail.

    Asked for several, it would not ask the first one again about an answer that was made anew
    for the second one.

    :param guardrails: by what they are called.
    :param max_chars: longest answer that is kept whole; only such an answer can be JSON.
    :param note: adds an event to the history.
    """

    def __init__(
        self,
        task: TaskNode,
        guardrails: Sequence[tuple[str, GuardrailFunction]],
        *,
        max_chars: int,
        note: Note,
        redact: Redactor,
    ) -> None:
        super().__init__()
        self._task = task
        self._guardrails = guardrails
        self._max_chars = max_chars
        self._note = functools.partial(note, step=task.name)
        self._redact = redact
        self._refusals = 0

    def check(self, output: TaskOutput) -> tuple[bool, t.Any]:
        """Return the accepted answer with its JSON, or what is wrong with it."""
        output, wrong = self._read(output)
        if wrong:
            return False, self._refused("output_schema", wrong)
        for name, guardrail in self._guardrails:
            if reason := _interpret(name, guardrail(output.raw)):
                return False, self._refused(name, reason)
            self._note("guardrail_passed", guardrail=self._shown(name, MAX_NAME))
        return True, output

    def _read(self, output: TaskOutput) -> tuple[TaskOutput, str]:
        """Return the answer with its JSON, or what is wrong with that."""
        if self._task.output_schema is None:
            return output, ""
        if len(output.raw) > self._max_chars:
            return output, f"The answer has more than {self._max_chars} characters."
        value, wrong = read_answer(self._task.output_schema, replace_surrogates(output.raw))
        if value is None:
            return output, wrong
        return with_json(output, json.dumps(value, ensure_ascii=False), value), ""

    def _refused(self, check: str, reason: str) -> str:
        check, reason = self._shown(check, MAX_NAME), self._shown(reason, MAX_REASON)
        self._refusals += 1
        self._note("guardrail_failed", guardrail=check, reason=reason)
        if self._refusals > self._task.guardrail_max_retries:
            raise GuardrailFailed(f"The answer was refused by '{check}': {reason}")
        read = self.context()
        return f"{reason}\n\n### What you have to work with:\n{read}" if read else reason

    def _shown(self, text: str, limit: int) -> str:
        return truncate(self._redact(replace_surrogates(text)), limit)


def _interpret(name: str, said: object) -> str | None:
    """Return what a guardrail has found to be wrong."""
    if said is True:
        return None
    if isinstance(said, str) and said.strip():
        return said
    raise TypeError(f"Guardrail '{name}' must return True or a sentence, not {said!r}.")
