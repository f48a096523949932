"""Tool calls of which nobody knows whether they had their effect, as people decide about them."""

from __future__ import annotations

import typing as t

from ..statuses import Decision
from ..statuses import InputKind
from .call_log.journal import StoredCall
from .call_log.requests import Settled
from .call_log.scopes import digest_of
from .tool_requests import Ask
from .tool_requests import AskingCall

_PROBLEM: t.Final = (
    "The worker was lost while the tool was called. Nobody knows whether the call had its effect."
)
_NOT_REPEATED: t.Final = (
    "The call was interrupted, and nobody knows whether it had its effect. A person has decided"
    " that it is not repeated"
)
_DECISIONS: t.Final = (Decision.APPROVE, Decision.RESPOND, Decision.REJECT)


def settle_interrupted(call: AskingCall, stored: StoredCall) -> Settled | None:
    """Return what the model is told of an interrupted call; None if the call is repeated.

    :param stored: the call that was interrupted.
    """
    request = stored.request or {}
    ask = Ask(
        kind=InputKind.OUTCOME,
        digest=digest_of(stored.number, stored.digest),  # so each interruption is another request
        decisions=_DECISIONS,
        tool=stored.name,
        arguments=request.get("arguments"),
        problem=_PROBLEM,
    )
    decided = call.ask(ask)
    words = decided.answer.get("text")
    if decided.decision == Decision.APPROVE:
        return None
    if decided.decision == Decision.RESPOND:
        return Settled(text=words)
    return Settled(text=_NOT_REPEATED + (f": {words}" if words else "."))
