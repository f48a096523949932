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
    return llms[0] if len(llms) == 1 else FallbackLLM.for_run(llms, run_context)


class FallbackLLM(DelegatingLLM):
    """Hands each call to the first of several models that answers.

    Each of them reports its own calls, so what is recorded and counted names the right model.
    """

    _run_context: RunContext = PrivateAttr()

    @classmethod
    def for_run(cls, llms: list[BaseLLM], run_context: RunContext) -> t.Self:
        """Return one that asks *llms* in turn."""
        fallback = cls.wrapping(llms)
        fallback._run_context = run_context
        return fallback

    def call(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return the answer of the first model that gives one.

        :raises ModelsFailed: if none does, and the first one's failure may pass.
        """
        failures: list[FailureReason] = []
        for llm in self._llms:
            # Else each model dispatches the hooks itself.
            if failures and model_call_hooks_already_dispatched():
                self._run_context.before_call()
            try:
                return self._delegate(llm, *args, **kwargs)
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
