"""Who may answer an input request."""

from __future__ import annotations

import typing as t

from ..errors import FourEyes
from ..errors import NotAsked
from ..storage.input_requests import Found
from ..storage.ownership import belongs_to
from ..storage.ownership import Requester

_AS_MANAGER: t.Final = (
    "As a manager, send 'bypass': true to answer nevertheless; the request will show that you did."
)
_AS_HOST: t.Final = "With 'bypass', the answer is stored nevertheless, and the request shows that."


class Answerer(t.NamedTuple):
    """Who answers."""

    requester: Requester
    named: str | None = None
    """Name of the person, if the host's own code gives one."""
    issued_by: str | None = None
    """Who has issued the signed link with which they answer."""

    @property
    def by(self) -> str | None:
        """Who answers, as the request will show it; None if the application does."""
        return self.named or (self.requester.user_id if self.requester else None)

    @property
    def persons(self) -> set[str]:
        """All that is known of who answers: their id, and the name that the host gives."""
        known = (self.named, self.requester.user_id if self.requester else None)
        return {each for each in known if each is not None}


def check_rights(found: Found, who: Answerer, *, sees: bool, bypass: bool) -> bool:
    """Check that somebody may answer a request; return whether only since they bypass its rules.

    :param sees: whether they see what they decide about.
    :param bypass: whether a manager, or the host's own code, answers although they may not.
    :raises NotAsked: if the request asks others.
    :raises FourEyes: if it needs another person than this one.
    """
    refusal = find_refusal(found, who) or _find_nameless(found, who)
    if refusal is None and not sees:
        refusal = NotAsked("You may not see what is asked.")
    if refusal is None:
        return False
    if not may_bypass(who.requester):
        raise refusal
    if not bypass:
        advice = _AS_HOST if who.requester is None else _AS_MANAGER
        raise type(refusal)(f"{refusal.detail} {advice}")
    return True


def find_refusal(found: Found, who: Answerer) -> NotAsked | FourEyes | None:
    """Return why somebody who sees a request may not answer it without a bypass, if so."""
    if found.request.four_eyes and (part := _part_of(found, who)):
        return FourEyes(f"This request needs four eyes, and {part}: somebody else has to answer.")
    if not _is_asked(found, who.requester):
        return NotAsked("You can see this request, but it asks others.")
    return None


def may_bypass(requester: Requester) -> bool:
    """Return whether *requester* may answer what asks others."""
    return requester is None or requester.may_manage_others


def _find_nameless(found: Found, who: Answerer) -> FourEyes | None:
    """Return why an answer of nobody in particular is refused, if so."""
    if found.request.four_eyes and not who.persons:
        return FourEyes("This request needs four eyes: say with 'by' who answers.")
    return None


def _part_of(found: Found, who: Answerer) -> str:
    """Return what part somebody has had in what is asked; empty for none."""
    request = found.request
    parts = (
        (request.owner_id, "owns the execution"),
        (request.edited_by, "has edited what is asked about"),
        (who.issued_by, "has issued the link"),
    )
    return next((f"'{name}' {did}" for name, did in parts if name in who.persons), "")


def _is_asked(found: Found, requester: Requester) -> bool:
    request = found.request
    if requester is None:
        return True
    if request.is_assigned or request.roles_only:
        return found.names(requester)
    is_plain_manager = requester.may_manage_others and not request.four_eyes
    return belongs_to(request, requester) or is_plain_manager
