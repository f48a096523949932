"""Chain of models: answers are checked, and when one cannot be used, the next model is asked."""

from __future__ import annotations

import logging
import typing as t
from collections.abc import Sequence

from pydantic import PrivateAttr

from ..errors import SecretMissing
from ..graphs import LlmNode
from ..registry.specs import LLMSpec
from ..storage.failures import FailureReason
from ..text import storable
from ..text import truncate
from ..text import without_thinking
from .call_log.log import as_current
from .call_log.log import CallError
from .call_log.log import MAX_NAME
from .call_log.log import OpenCall
from .call_log.requests import Answer
from .call_log.requests import ModelRequest
from .crewai_shims.llms import DelegatingLLM
from .crewai_shims.llms import model_call_hooks_dispatched
from .crewai_shims.llms import remember
from .crewai_shims.llms import remembered_by
from .crewai_shims.public_api import BaseLLM
from .error_mapping import model_failure
from .error_mapping import to_failure
from .finish_reasons import watch_call
from .host_callbacks import with_run_context
from .llm_builder import build_llm
from .model_failures import AllModelsFailed
from .model_failures import failure_of_answer
from .model_failures import may_fall_back
from .model_failures import ModelAnswerError
from .model_failures import status_of
from .run_context import RunContext

log = logging.getLogger(__name__)


def build_llm_with_fallbacks(
    chain: Sequence[LLMSpec],
    node: LlmNode | None,
    run_context: RunContext,
    default_timeout: float,
) -> BaseLLM:
    """Return an LLM object for the first model, with the others as its fallbacks.

    Fallbacks whose secret is missing are left out.

    :raises SecretMissing: if the first model needs a secret that neither user nor host has.
    :raises ModelMisconfigured: if a model cannot be built as it is registered.
    """

    def build(spec: LLMSpec) -> Member:
        # The host's functions for its address or key may depend on the user or the attempt.
        build_for_run = with_run_context(build_llm, run_context)
        connections = run_context.connections
        llm = build_for_run(spec, node, run_context.secrets, connections, default_timeout)
        return Member(llm, fail_if_truncated=spec.on_truncated == "fail")

    first, *others = chain
    members = [build(first)]
    for spec in others:
        try:
            members.append(build(spec))
        except SecretMissing as error:
            log.info("Model '%s' is no fallback for '%s': %s", spec.name, first.name, error)
    return LLMChain.for_run(members, run_context)


class Member(t.NamedTuple):
    """A model of a chain."""

    llm: BaseLLM
    fail_if_truncated: bool
    """Whether half an answer is worse than none."""

    def check(self, answer: object, finish_reason: str | None) -> object:
        """Return an *answer* that can be used.

        :raises ModelAnswerError: if it cannot be.
        """
        if answer and not isinstance(answer, str):
            return answer  # tool calls
        text = without_thinking(storable(answer)) if isinstance(answer, str) else ""
        failure = failure_of_answer(
            text, finish_reason=finish_reason, fail_if_truncated=self.fail_if_truncated
        )
        if failure is not None:
            raise ModelAnswerError(failure)
        return text


class LLMChain(DelegatingLLM):
    """Passes each call to the first of its models whose answer can be used.

    Each model emits the events of its own calls, so that they are recorded with the right model.
    """

    _members: list[Member] = PrivateAttr()
    _run_context: RunContext = PrivateAttr()

    @classmethod
    def for_run(cls, members: list[Member], run_context: RunContext) -> t.Self:
        """Return one that asks the *members* in turn."""
        chain = cls.wrapping([member.llm for member in members])
        chain._members = members
        chain._run_context = run_context
        return chain

    def call(self, messages: t.Any, tools: t.Any = None, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return the first answer of a model that can be used, or that an earlier attempt had.

        :raises AllModelsFailed: if there is none.
        """
        calls = self._run_context.calls
        agent = kwargs.get("from_agent")
        role = None if agent is None else truncate(agent.role, MAX_NAME)
        request = calls.model_request(messages, tools, role)
        stored = calls.stored_answer(request)
        if stored is not None:
            self._run_context.note_length(stored.finish_reason, role)
            self._let_remember(stored)
            return stored.value
        with model_call_hooks_dispatched():  # each call is checked here
            return self._ask(request, messages, tools, *args, **kwargs)

    def _let_remember(self, stored: Answer) -> None:
        """Let the model that has answered keep what its object has kept then."""
        for member in self._members:
            if member.llm.model == stored.model:
                remember(member.llm, stored.remembered)
                break

    def _ask(self, request: ModelRequest, *args: t.Any, **kwargs: t.Any) -> t.Any:
        failures: list[FailureReason] = []
        for member in self._members:
            self._run_context.before_call()
            asked = request.again if failures else request
            call = self._run_context.calls.begin_model_call(asked, member.llm.model)
            try:
                return self._ask_one(member, call, *args, **kwargs)
            except Exception as error:  # noqa: BLE001  # it is classified
                self._end_failed(call, error)
                failures.append(self._failure(error, first=not failures))
                last = error
                log.warning("Model '%s': %s", member.llm.model, failures[-1].code)
        raise AllModelsFailed(failures) from last

    def _ask_one(self, member: Member, call: OpenCall, *args: t.Any, **kwargs: t.Any) -> t.Any:
        before = remembered_by(member.llm)
        call.asked = args[0]
        with as_current(call), watch_call() as end:
            call.raw = self._delegate(member.llm, *args, **kwargs)
        answer = member.check(call.raw, end.reason)
        after = remembered_by(member.llm)
        new = {} if after == before else after
        self._run_context.calls.end_model_call(call, Answer(answer, end.reason, new))
        return answer

    def _end_failed(self, call: OpenCall, error: Exception) -> None:
        failure = to_failure(error)
        reason = CallError(failure.code, status_of(error))
        self._run_context.calls.fail_model_call(call, reason)
        if call.raw is None:
            self._run_context.model_call_failed(call, reason)

    def _failure(self, error: Exception, *, first: bool) -> FailureReason:
        """Return why a model did not answer; raise *error* if another model cannot help."""
        failure = None if self._run_context.connections.aborted else model_failure(error)
        if failure is None or (first and not may_fall_back(failure)):
            raise error
        return failure
