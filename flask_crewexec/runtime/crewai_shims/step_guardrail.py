"""The one guardrail that each step with checks has."""

# Without postponed annotations: CrewAI inspects the annotations of a guardrail's ``__call__``.

import typing as t
from collections.abc import Callable

from crewai import LLMGuardrail
from crewai import TaskOutput
from crewai.lite_agent_output import LiteAgentOutput
from crewai.tasks import OutputFormat


class StepGuardrail(LLMGuardrail):
    """Base class; a subclass implements :meth:`check`.

    A subclass of ``LLMGuardrail``, because CrewAI reads the source code of any other callable, and
    an object has none.
    """

    def __init__(self) -> None:
        self.description = "checks"
        self.context: Callable[[], str | None] = lambda: None
        """Returns the outputs that the step has read; CrewAI omits them when it asks again."""

    def __call__(self, task_output: TaskOutput | LiteAgentOutput) -> tuple[bool, t.Any]:
        """Return the accepted answer, or what is wrong with it."""
        assert isinstance(task_output, TaskOutput)  # the other one belongs to agents without a crew
        return self.check(task_output)

    def check(self, output: TaskOutput) -> tuple[bool, t.Any]:
        """Return whether the answer is accepted, and the answer or what is wrong with it."""
        raise NotImplementedError


def with_text(output: TaskOutput, raw: str) -> TaskOutput:
    """Return *output* with another answer."""
    changed = {"raw": raw, "json_dict": None, "output_format": OutputFormat.RAW}
    return output.model_copy(update=changed)


def with_json(output: TaskOutput, raw: str, value: dict[str, t.Any]) -> TaskOutput:
    """Return *output* with its answer in JSON."""
    changed = {"raw": raw, "json_dict": value, "output_format": OutputFormat.JSON}
    return output.model_copy(update=changed)
