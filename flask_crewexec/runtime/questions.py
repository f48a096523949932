"""Questions of agents to people: the built-in tool ``ask_person``."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Sequence

from ..graphs import ASK_PERSON
from ..graphs import QuestionTerms
from ..observability.redaction import Redactor
from ..statuses import Decision
from ..statuses import InputKind
from ..text import is_blank
from ..text import storable
from .asking_call import Ask
from .asking_call import AskingCall
from .asking_call import Decided
from .call_log.requests import Settled
from .call_log.scopes import digest_of

Json = dict[str, t.Any]

MAX_QUESTION: t.Final = 4_000
MAX_CHOICES: t.Final = 20
MAX_CHOICE: t.Final = 200
_CONTROL: t.Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DECISIONS: t.Final = (Decision.RESPOND, Decision.REJECT)


class Question:
    """Settles the calls of ``ask_person``: the answer is the result.

    What a model asks is shown to people as it is, so it is neither long nor contains secrets.
    """

    def __init__(self, terms: QuestionTerms, redact: Redactor) -> None:
        self._terms = terms
        self._redact = redact

    def settle(self, call: AskingCall, arguments: Json) -> Settled:
        """Return the answer; the model is told what is wrong with a question that is not asked."""
        question = self._clean(arguments["question"])
        choices = [self._clean(each) for each in arguments["choices"] or ()]
        if problem := _find_problem(question, choices):
            return Settled(text=problem)
        return Settled(text=_told(call.ask(self._ask(question, choices), carries_over=True)))

    def _ask(self, question: str, choices: list[str]) -> Ask:
        terms = self._terms
        return Ask(
            kind=InputKind.QUESTION,
            digest=digest_of(question, choices),
            decisions=_DECISIONS,
            tool=ASK_PERSON,
            message=question,
            schema={"enum": choices} if choices else {"type": "string"},
            users=terms.users,
            roles=terms.roles,
            four_eyes=terms.four_eyes,
            expires_in=terms.expires_in,
            on_expiry=terms.on_expiry,
            default=None if terms.default is None else {"text": terms.default},
        )

    def _clean(self, text: str) -> str:
        return self._redact(_CONTROL.sub("", storable(text))).strip()


def _find_problem(question: str, choices: Sequence[str]) -> str | None:
    """Return why a question is not asked, in words for the model."""
    if is_blank(question):
        return "The question is empty. Ask it in 'question'."
    if len(question) > MAX_QUESTION:
        return f"The question is too long: at most {MAX_QUESTION} characters are allowed."
    if len(choices) > MAX_CHOICES or any(map(_is_no_choice, choices)):
        return f"At most {MAX_CHOICES} choices of 1 to {MAX_CHOICE} characters are allowed."
    if len(choices) != len({*choices}):
        return "The choices must differ."
    return None


def _is_no_choice(text: str) -> bool:
    return is_blank(text) or len(text) > MAX_CHOICE


def _told(decided: Decided) -> str:
    answer = decided.answer
    if decided.decision != Decision.REJECT:
        return str(answer["value"] if "value" in answer else answer["text"])
    words = answer.get("text")
    return "The person does not answer this question" + (f": {words}" if words else ".")
