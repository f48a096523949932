"""A model and those that are asked in its place while it cannot answer."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable
from collections.abc import Sequence

from pydantic import PrivateAttr

from ..errors import SecretMissing
from ..graphs import LlmNode
from ..registry.specs import ModelSpec
from ..storage.failures import FailureReason
from .crewai_shims.import_switches import BaseLLM
from .crewai_shims.import_switches import call_stop_override
from .crewai_shims.import_switches import hooks_were_called
from .error_mapping import AllModelsFailed
from .error_mapping import model_failure
from .llm_builder import build_llm
from .run_context import RunContext

log = logging.getLogger(__name__)

Answer = Callable[[BaseLLM], t.Any]


def build_llm_with_fallbacks(
    chain: Sequence[ModelSpec],
    node: LlmNode | None,
    run_context: RunContext,
    default_timeout: float,
) -> BaseLLM:
    """Return an LLM object for the first model, which asks the others in its place.

    :raises MissingKey: if the first one needs a key that nobody has; others are left out then.
    """

    def build(spec: ModelSpec) -> BaseLLM:
        return build_llm(spec, node, run_context.secrets, run_context.connections, default_timeout)

    first, *others = chain
    llms = [build(first)]
    for spec in others:
        try:
            llms.append(build(spec))
        except SecretMissing as error:
            log.info("Model '%s' cannot stand in for '%s': %s", spec.name, first.name, error)
    return llms[0] if len(llms) == 1 else FallbackLLM.wrapping(llms, run_context)


class FallbackLLM(BaseLLM):
    """Hands each call to the first of several models that answers.

    Each of them reports its own calls, so what is recorded and counted names the right model.
    """

    _llms: list[BaseLLM] = PrivateAttr()
    _run_context: RunContext = PrivateAttr()

    @classmethod
    def wrapping(cls, llms: list[BaseLLM], run_context: RunContext) -> t.Self:
        """Return one that asks *llms* in turn."""
        first = llms[0]
        made = cls(model=first.model, provider=first.provider, stop=first.stop)
        made._llms = llms
        made._run_context = run_context
        return made

    def call(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return the answer of the first model that gives one.

        :raises ModelsFailed: if none does, and the first one's failure may pass.
        """
        stop = self.stop_sequences
        failures: list[FailureReason] = []
        for llm in self._llms:
            if failures and hooks_were_called():  # else each model calls them itself
                self._run_context.before_call()
            try:
                with call_stop_override(llm, stop):
                    return llm.call(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  # it is judged and raised again
                failures.append(self._failure(error, first=not failures))
                last = error
                log.warning("Model '%s': %s", llm.model, failures[-1].code)
        raise AllModelsFailed(failures) from last

    def _failure(self, error: Exception, *, first: bool) -> FailureReason:
        """Return why a model did not answer; raise what no other one can help against."""
        failure = None if self._run_context.connections.aborted else model_failure(error)
        if failure is None or (first and not failure.transient):
            raise error
        return failure

    def supports_function_calling(self) -> bool:
        """Whether the models take tools; the first one speaks for all."""
        return t.cast(bool, getattr(self._llms[0], "supports_function_calling", bool)())

    def supports_stop_words(self) -> bool:
        """Whether the models take words to stop at; the first one speaks for all."""
        return self._llms[0].supports_stop_words()

    def get_context_window_size(self) -> int:
        """Return how much fits into all of them."""
        return min(llm.get_context_window_size() for llm in self._llms)

    def supports_multimodal(self) -> bool:
        """Whether all of them take more than text."""
        return all(llm.supports_multimodal() for llm in self._llms)
