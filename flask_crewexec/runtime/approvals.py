"""Approvals of tool calls: which calls people must approve, and how these are made then."""

from __future__ import annotations

import copy
import json
import logging
import typing as t
from collections.abc import Callable
from collections.abc import Mapping

from ..errors import UserMissing
from ..graphs import ApprovalTerms
from ..graphs import required_terms
from ..process.termination import ends_process
from ..registry.approval import ApprovalPredicate
from ..registry.specs import ToolSpec
from ..schemas.input_requests import MAX_ARGUMENTS
from ..statuses import Decision
from ..statuses import InputKind
from .asking_call import Ask
from .asking_call import AskingCall
from .asking_call import Decided
from .call_log.log import CallError
from .call_log.requests import Settled
from .call_log.scopes import digest_of
from .host_callbacks import with_run_context
from .run_context import RunContext
from .stop_reasons import ApprovalOutdatedStop
from .stop_reasons import MissingUserStop
from .tool_arguments import as_json
from .tool_requests import Gate
from .tool_requests import REFUSED

Json = dict[str, t.Any]
Validate = Callable[[Mapping[str, t.Any]], Json | None]

log = logging.getLogger(__name__)

REJECTED: t.Final = CallError("rejected")
_NEEDED: t.Final = "needs approval"
_TOO_LONG: t.Final = (
    "People must approve this call, but its arguments are too long for them: at most"
    f" {MAX_ARGUMENTS} characters are allowed."
)
_SECRET: t.Final = "People must approve this call, but its arguments contain a secret."
_NOT_VALID: t.Final = "The tool does not accept the arguments that were written."
OUTDATED: t.Final = (
    "The tool '{}', or the arguments of its call, changed after people were asked. Retry the"
    " execution to ask again."
)


def approval_gate(
    spec: ToolSpec, schema: Callable[[], Json], validate: Validate, run_context: RunContext
) -> Gate | None:
    """Return what is to be decided before calls of a tool; None if they need no approval.

    :param schema: returns the JSON Schema of its arguments.
    """
    graph = run_context.approvals.get(spec.name)
    host = None if spec.approval is None else spec.approval.host_approval
    terms = required_terms(host, graph)
    if terms is None:
        return None
    predicate: ApprovalPredicate | None = None
    if graph is None and spec.approval is not None and spec.approval.when != "always":
        predicate = spec.approval.when
    approval = ToolApproval(
        spec.name, terms, predicate, strict_schema(schema()), validate, run_context
    )
    return Gate(validate, approval.settle, approval.schema)


def strict_schema(schema: Json) -> Json:
    """Return the schema of arguments such that a misspelt name does not match."""
    return {"additionalProperties": False, **schema}


class ToolApproval:
    """Settles the calls of one tool.

    :param predicate: says which calls need approval; None if all do.
    :param validate: returns the arguments with which the tool would be called.
    """

    def __init__(
        self,
        tool: str,
        terms: ApprovalTerms,
        predicate: ApprovalPredicate | None,
        schema: Json,
        validate: Validate,
        run_context: RunContext,
    ) -> None:
        self._tool = tool
        self._terms = terms
        self._predicate = predicate
        self.schema = schema
        self._validate = validate
        self._run_context = run_context

    def settle(self, call: AskingCall, arguments: Json) -> Settled:
        """Return how a call is made, as people have decided.

        :raises WaitForPersonStop: if nobody has decided yet.
        :raises ApprovalOutdatedStop: if they were asked about another call.
        """
        shown = as_json(arguments)
        asked = call.first(InputKind.APPROVAL)
        if asked is not None and asked.digest == self._digest(shown):
            return self._decide(call, shown)
        if not call.carried_over(self._ask(shown)):
            if asked is not None:
                call.stop_run(ApprovalOutdatedStop(OUTDATED.format(self._tool)))
            if not self._needs_approval(call, shown):
                return Settled()
            if problem := self._find_problem(shown):
                return Settled(text=problem, error=REFUSED)
        return self._decide(call, shown)

    def _decide(self, call: AskingCall, shown: Json) -> Settled:
        """Ask people until they have decided on a call that can be made."""
        decided, arguments = call.ask(self._ask(shown), carries_over=True), None
        editor: str | None = None
        while decided.decision == Decision.EDIT:
            edited = self._validate(decided.answer["arguments"])
            if edited is None:
                again = self._ask(shown, problem=_NOT_VALID, edited_by=editor)
            elif self._needs_second_person(call, as_json(edited), decided.round):
                shown, arguments, editor = as_json(edited), edited, decided.by
                again = self._ask(shown, edited_by=editor)
            else:
                return Settled(arguments=edited)
            decided = call.ask(again, after=decided.round, carries_over=True)
        if decided.decision == Decision.REJECT:
            return Settled(text=_rejection(decided), error=REJECTED)
        if decided.decision == Decision.RESPOND:
            return Settled(text=str(decided.answer["text"]))
        return Settled(arguments=arguments)

    def _needs_second_person(self, call: AskingCall, shown: Json, round: int) -> bool:
        """Return whether another person than the one who has edited arguments must approve them.

        :param round: in which they were edited. If somebody was asked after it, that counts.
        """
        if not self._terms.four_eyes:
            return False
        was_asked = call.was_asked(InputKind.APPROVAL, self._digest(shown), after=round)
        return was_asked or self._needs_approval(call, shown)

    def _ask(self, shown: Json, *, problem: str | None = None, edited_by: str | None = None) -> Ask:
        terms = self._terms
        return Ask(
            kind=InputKind.APPROVAL,
            digest=self._digest(shown),
            decisions=terms.decisions,
            tool=self._tool,
            arguments=shown,
            message=terms.message,
            problem=problem,
            schema=self.schema,
            users=terms.users,
            roles=terms.roles,
            roles_only=terms.roles_only,
            four_eyes=terms.four_eyes,
            edited_by=edited_by,
            expires_in=terms.expires_in,
            on_expiry=terms.on_expiry,
            default=None if terms.default is None else {"text": terms.default},
        )

    def _digest(self, shown: Json) -> str:
        return digest_of(self._tool, shown)

    def _needs_approval(self, call: AskingCall, shown: Json) -> bool:
        """Ask the predicate, whose verdict is recorded: it is asked once about each call."""
        if self._predicate is None:
            return True
        predicate = self._predicate

        def judge(_: str) -> bool | str:
            return _NEEDED if self._is_wanted(call, predicate, shown) else True

        about = json.dumps([call.path, shown], sort_keys=True)
        return (
            self._run_context.calls.check(f"approval of {self._tool}", about, judge).value
            is not True
        )

    def _is_wanted(self, call: AskingCall, predicate: ApprovalPredicate, shown: Json) -> bool:
        """Return whether the predicate wants approval; so it does if it fails."""
        ask = with_run_context(predicate, self._run_context)
        try:
            # A copy: people must see what the call is made with, whatever it does to it.
            return ask(copy.deepcopy(shown), self._run_context.execution.user_id) is not False
        except UserMissing as error:
            call.stop_run(MissingUserStop(error.detail))
        except BaseException as error:
            if ends_process(error):
                raise
            log.exception("Whether a call of '%s' needs approval is unknown: it does.", self._tool)
            return True

    def _find_problem(self, shown: Json) -> str | None:
        """Return why people cannot be shown what they are to approve, in words for the model."""
        if len(json.dumps(shown, ensure_ascii=False)) > MAX_ARGUMENTS:
            return _TOO_LONG
        return _SECRET if self._run_context.redact.value(shown) != shown else None


def _rejection(decided: Decided) -> str:
    words = decided.answer.get("text")
    return "The call was rejected and not made" + (f": {words}" if words else ".")
