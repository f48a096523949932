"""Tool calls of which nobody knows whether they had their effect, as people decide about them."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..graphs import ApprovalTerms
from ..graphs import GraphApproval
from ..graphs import required_terms
from ..registry.specs import ToolSpec
from ..statuses import Decision
from ..statuses import InputKind
from .asking_call import Ask
from .asking_call import AskingCall
from .call_log.journal import StoredCall
from .call_log.requests import Settled
from .call_log.scopes import digest_of

_PROBLEM: t.Final = (
    "The worker was lost while the tool was called. Nobody knows whether the call had its effect."
)
_NOT_REPEATED: t.Final = (
    "The call was interrupted, and nobody knows whether it had its effect. A person has decided"
    " that it is not repeated"
)


class InterruptedCalls:
    """Settles interrupted calls: who must approve calls of a tool also decides about these.

    :param tools: registered tools, by name.
    :param approvals: what the graph demands of calls of tools, by their names.
    """

    def __init__(
        self, tools: Mapping[str, ToolSpec], approvals: Mapping[str, GraphApproval]
    ) -> None:
        self._tools = tools
        self._approvals = approvals

    def settle(self, call: AskingCall, stored: StoredCall) -> Settled | None:
        """Return what the model is told of an interrupted call; None if the call is repeated.

        :param stored: the call that was interrupted.
        """
        decided = call.ask(self._ask(stored))
        words = decided.answer.get("text")
        if decided.decision == Decision.APPROVE:
            return None
        if decided.decision == Decision.RESPOND:
            return Settled(text=words)
        return Settled(text=_NOT_REPEATED + (f": {words}" if words else "."))

    def _ask(self, stored: StoredCall) -> Ask:
        terms = self._terms(stored.name)
        request = stored.request or {}
        return Ask(
            kind=InputKind.OUTCOME,
            # With the number, so that each interruption is another request.
            digest=digest_of(stored.number, stored.digest),
            decisions=_decisions(terms),
            tool=stored.name,
            arguments=request.get("edited", request.get("arguments")),
            problem=_PROBLEM,
            users=terms.users,
            roles=terms.roles,
            roles_only=terms.roles_only,
            four_eyes=terms.four_eyes,
        )

    def _terms(self, tool: str) -> ApprovalTerms:
        approval = self._tools[tool].approval
        host = None if approval is None else approval.host_approval
        return required_terms(host, self._approvals.get(tool)) or ApprovalTerms()


def _decisions(terms: ApprovalTerms) -> list[str]:
    """Return what may be decided; a result is made up only where approvals allow that, too."""
    may_respond = Decision.RESPOND in terms.decisions
    return [Decision.APPROVE, *([Decision.RESPOND] if may_respond else []), Decision.REJECT]
