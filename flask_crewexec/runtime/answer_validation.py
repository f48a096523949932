"""Validation of the answer of one step: its output schema, its guardrails, then people."""

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
from ..statuses import Decision
from ..statuses import ExecutionStatus
from ..text import storable
from ..text import truncate
from .call_log.requests import Verdict
from .crewai_shims.public_api import TaskOutput
from .crewai_shims.step_guardrail import StepGuardrail
from .crewai_shims.step_guardrail import with_json
from .crewai_shims.step_guardrail import with_text
from .reviews import Decided
from .reviews import StepReview
from .stop_reasons import StopRun

MAX_NAME: t.Final = 100
"""Longest name of a guardrail; a rule in words is its own name."""
MAX_REASON: t.Final = 1000
"""Longest reason that is recorded and sent to the model."""


_DEMAND: t.Final = "A person has read your answer. Write it again, with what they demand:"

Check = Callable[[str, str, GuardrailFunction], Verdict]
"""Takes the name of a guardrail, an answer and the guardrail."""


class GuardrailFailed(StopRun):
    """The step's last permitted answer was refused as well."""

    status = ExecutionStatus.FAILED
    code = "guardrail-failed"


class _Refusal(t.NamedTuple):
    """Why an answer is refused."""

    name: str
    reason: str
    verdict: Verdict | None = None
    """That of a guardrail."""


class AnswerValidator(StepGuardrail):
    """All checks of one step, combined into one guardrail.

    With several guardrails, CrewAI would not repeat the first one for an answer that was written
    again because of the second one.

    :param guardrails: pairs of a name and a function.
    :param max_chars: maximum length of a stored answer; longer ones cannot be read as JSON.
    :param check: records the verdict of a guardrail.
    :param add_event: takes the type of an event and its data.
    :param review: asks people about answers that pass.
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
        review: StepReview | None = None,
    ) -> None:
        super().__init__()
        self._task = task
        self._guardrails = guardrails
        self._max_chars = max_chars
        self._add_event = functools.partial(add_event, step=task.name)
        self._check = check
        self._redact = redact
        self._review = review
        self._refusals = 0

    @property
    def settled_answer(self) -> str | None:
        """The answer that people have settled, if they have."""
        return None if self._review is None else self._review.settled_answer

    def check(self, output: TaskOutput) -> tuple[bool, t.Any]:
        """Return the accepted answer with its JSON, or what is wrong with it."""
        if self._review is not None and self.settled_answer is not None:
            # It was checked before people were asked.
            return self._ask_people(self._review, output, self._read_json(output)[0])
        accepted, refusal = self._judge(output)
        if refusal is not None:
            return False, self._refuse(refusal, accepted.raw)
        if self._review is None:
            return True, accepted
        return self._ask_people(self._review, output, accepted)

    def _judge(self, output: TaskOutput) -> tuple[TaskOutput, _Refusal | None]:
        """Return the answer with its JSON, and the first refusal, if there is one."""
        output, problem = self._read_json(output)
        if problem:
            return output, _Refusal("output_schema", problem)
        for name, guardrail in self._guardrails:
            shown = self._shorten(name, MAX_NAME)
            verdict = self._check(shown, output.raw, guardrail)
            if reason := _interpret(name, verdict.value):
                return output, _Refusal(name, reason, verdict)
            if verdict.is_new:
                self._add_event("guardrail_passed", guardrail=shown, **verdict.reference)
        return output, None

    def _ask_people(
        self, review: StepReview, original: TaskOutput, output: TaskOutput
    ) -> tuple[bool, t.Any]:
        """Return the answer that a person accepts, or what they want to be changed.

        :param original: what CrewAI shows the model if it is to be changed.
        """
        problem = None
        while True:
            draft = self._draft(output)
            decided = review.decide(draft, problem)
            if decided.decision == Decision.CHANGE:
                return False, self._demand(decided, draft, original)
            if decided.decision == Decision.APPROVE:
                return True, output if decided.draft == draft else self._approved(decided, output)
            edited = with_text(output, _text_of(decided.answer))
            output, refusal = self._judge(edited)
            if refusal is None:
                return True, output
            self._record(refusal, output.raw)
            name = self._shorten(refusal.name, MAX_NAME)
            problem = f"'{name}' has refused it: {self._shorten(refusal.reason, MAX_REASON)}"

    def _draft(self, output: TaskOutput) -> dict[str, t.Any]:
        """Return what people see of an answer."""
        text = self._shorten(output.raw, self._max_chars)
        if output.json_dict is None:
            return {"text": text}
        return {"text": text, "value": self._redact.value(output.json_dict)}

    def _approved(self, decided: Decided, output: TaskOutput) -> TaskOutput:
        """Return what was approved, where the step was restarted and now answers otherwise."""
        return self._read_json(with_text(output, decided.draft["text"]))[0]

    def _demand(self, decided: Decided, draft: dict[str, t.Any], original: TaskOutput) -> str:
        """Return what the model is told of a change that a person demands."""
        if decided.draft != draft:
            original.raw = decided.draft["text"]
        self._refusals = 0
        return self._with_context(f"{_DEMAND}\n{decided.answer['text']}")

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

    def _refuse(self, refusal: _Refusal, answer: str) -> str:
        """Record the refusal of an answer, and return what the model is to correct."""
        self._record(refusal, answer)
        self._refusals += 1
        name = self._shorten(refusal.name, MAX_NAME)
        reason = self._shorten(refusal.reason, MAX_REASON)
        if self._refusals > self._task.guardrail_max_retries:
            raise GuardrailFailed(f"The answer was refused by '{name}': {reason}")
        return self._with_context(reason)

    def _record(self, refusal: _Refusal, answer: str) -> None:
        verdict = refusal.verdict
        if verdict is not None and not verdict.is_new:
            return
        reason = self._shorten(refusal.reason, MAX_REASON)
        data = {"reason": reason, "answer": self._shorten(answer, MAX_REASON)}
        reference = {} if verdict is None else verdict.reference
        name = self._shorten(refusal.name, MAX_NAME)
        self._add_event("guardrail_failed", guardrail=name, **data, **reference)

    def _with_context(self, reason: str) -> str:
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


def _text_of(answer: dict[str, t.Any]) -> str:
    """Return what a person has written instead of a draft."""
    if "value" in answer:
        return json.dumps(answer["value"], ensure_ascii=False)
    return str(answer["text"])
