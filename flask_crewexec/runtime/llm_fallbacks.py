"""Fallback chain of models: when one cannot answer, the next one is asked."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Callable
from collections.abc import Sequence

from pydantic import PrivateAttr

from ..errors import SecretMissing
from ..graphs import LlmNode
from ..registry.specs import LLMSpec
from ..storage.failures import FailureReason
from .crewai_shims.llms import DelegatingLLM
from .crewai_shims.llms import model_call_hooks_already_dispatched
from .crewai_shims.public_api import BaseLLM
from .error_mapping import AllModelsFailed
from .error_mapping import model_failure
from .llm_builder import build_llm
from .run_context import RunContext

log = logging.getLogger(__name__)

Answer = Callable[[BaseLLM], t.Any]


def build_llm_with_fallbacks(
    chain: Sequence[LLMSpec],
    node: LlmNode | None,
    run_context: RunContext,
    default_timeout: float,
) -> BaseLLM:
    """Return an LLM object for the first model, with the others as its fallbacks.

    Fallbacks whose secret is missing are left out.

    :raises SecretMissing: if the first model needs a secret that neither user nor host has.
    """

    def build(spec: LLMSpec) -> BaseLLM:
        return build_llm(spec, node, run_context.secrets, run_context.connections, default_timeout)

    first, *others = chain
    llms = [build(first)]
    for spec in others:
        try:
            llms.append(build(spec))
        except SecretMissing as error:
            log.info("Model '%s' is no fallback for '%s': %s", spec.name, first.name, error)
    return llms[0] if len(llms) == 1 else FallbackLLM.for_run(llms, run_context)


class FallbackLLM(DelegatingLLM):
    """Passes each call to the first of several models that answers.

    Each model emits the events of its own calls, so that they are recorded with the right model.
    """

    _run_context: RunContext = PrivateAttr()

    @classmethod
    def for_run(cls, llms: list[BaseLLM], run_context: RunContext) -> t.Self:
        """Return one that asks *llms* in turn."""
        fallback = cls.wrapping(llms)
        fallback._run_context = run_context
        return fallback

    def call(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return the first answer of a model.

        :raises AllModelsFailed: if no model answers and the first failure is transient.
        """
        failures: list[FailureReason] = []
        for llm in self._llms:
            # Else each model dispatches the hooks itself.
            if failures and model_call_hooks_already_dispatched():
                self._run_context.before_call()
            try:
                return self._delegate(llm, *args, **kwargs)
            except Exception as error:  # noqa: BLE001  # it is classified
                failures.append(self._failure(error, first=not failures))
                last = error
                log.warning("Model '%s': %s", llm.model, failures[-1].code)
        raise AllModelsFailed(failures) from last

    def _failure(self, error: Exception, *, first: bool) -> FailureReason:
        """Return why a model did not answer; raise *error* if another model cannot help."""
        failure = None if self._run_context.connections.aborted else model_failure(error)
        if failure is None or (first and not failure.transient):
            raise error
        return failure
