"""An input request as its page shows it."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from markupsafe import Markup

from ..errors import Problem
from ..statuses import Decision
from ..statuses import InputKind
from . import markdown
from .argument_fields import ArgumentField
from .argument_fields import make_fields
from .formatting import brief
from .formatting import pretty
from .look import current_look
from .text_diff import compare
from .text_diff import Piece

Json = dict[str, t.Any]

TEXT: t.Final = "text"
MARKDOWN: t.Final = "markdown"

_WORDS: t.Final[Mapping[str, Mapping[str, str]]] = {
    InputKind.QUESTION: {
        Decision.RESPOND: "your answer",
        Decision.REJECT: "why you do not answer",
    },
    InputKind.OUTCOME: {
        Decision.RESPOND: "the result of the call",
        Decision.REJECT: "why it is not made again",
    },
}
"""What can be written for each decision, by kind."""
_OTHER_WORDS: t.Final[Mapping[str, str]] = {
    Decision.CHANGE: "what to change",
    Decision.REJECT: "why it is rejected",
    Decision.RESPOND: "the result that the agent gets instead",
}
_BUTTONS: t.Final[Mapping[str, Mapping[str, str]]] = {
    InputKind.APPROVAL: {Decision.RESPOND: "Use this result"},
    InputKind.QUESTION: {Decision.RESPOND: "Answer", Decision.REJECT: "Do not answer"},
    InputKind.OUTCOME: {
        Decision.APPROVE: "Call again",
        Decision.RESPOND: "Use this result",
        Decision.REJECT: "Do not call again",
    },
}
"""Texts of buttons that differ from the name of the decision, by kind."""

_ON_EXPIRY: t.Final[Mapping[str, str]] = {
    "fail": "the execution fails",
    "approve": "it counts as approved",
    "reject": "it counts as rejected",
}
_MAX_DEFAULT: t.Final = 200


@dataclass(frozen=True, kw_only=True)
class RequestView:
    """What a page shows of an input request, and what was entered into its forms before."""

    asked: Json
    previous: Json | None = None
    """The request of the round before."""
    format: str = TEXT
    """``text`` or ``markdown``: how the draft is shown."""
    entered: Mapping[str, str] = field(default_factory=dict)
    """Values of form fields that were refused."""
    problems: Sequence[Problem] = ()
    """Why they were refused."""

    @property
    def title(self) -> str:
        step, tool = self.asked["step_name"], self.asked["tool"]
        titles = {
            InputKind.REVIEW: f"Review of {step}",
            InputKind.APPROVAL: f"Approval of {tool}",
            InputKind.QUESTION: f"Question in {step}",
            InputKind.OUTCOME: f"Interrupted call of {tool}",
        }
        kind = self.asked["kind"]
        return titles.get(kind, f"{kind.capitalize()}: {step}")

    @property
    def asks(self) -> str:
        """Whom it names; empty for nobody but the owner of the execution."""
        named = self.asked["assignees"]
        users = [current_look().user_label(user) for user in named["users"]]
        return ", ".join([*users, *(f"role {role}" for role in named["roles"])])

    @property
    def then(self) -> str:
        """What happens if nobody decides in time."""
        if self.asked["on_expiry"] == "default":
            default = self.asked["default"] or {}
            answer = default["text"] if "text" in default else pretty(default.get("value"))
            return f"“{brief(answer, _MAX_DEFAULT)}” is the answer"
        return _ON_EXPIRY.get(self.asked["on_expiry"], self.asked["on_expiry"])

    @property
    def has_forms(self) -> bool:
        """Whether the user may decide."""
        return bool(self.asked["may_answer"] or self.asked["may_bypass"])

    @property
    def text(self) -> str | None:
        """The whole draft; None if there is none, or not for this user."""
        return _text_of(self.asked)

    @property
    def may_be_markdown(self) -> bool:
        text, draft = self.text, self.asked["draft"]
        return bool(text) and len(text or "") <= markdown.MAX_CHARS and "value" not in draft

    @property
    def rendered(self) -> Markup | None:
        """The draft as HTML, if that was chosen."""
        if self.format != MARKDOWN or not self.may_be_markdown:
            return None
        return markdown.render_markdown(self.text or "")

    @property
    def arguments(self) -> str | None:
        """The arguments of the call as JSON."""
        arguments = self.asked["arguments"]
        return None if arguments is None else pretty(arguments)

    @property
    def previous_words(self) -> str:
        """What was written with the decision of the round before; empty for an edit."""
        previous = self.previous or {}
        if previous.get("decision") == Decision.EDIT:
            return ""
        return str((previous.get("answer") or {}).get("text") or "")

    @property
    def difference(self) -> list[Piece] | None:
        """How the draft or the arguments differ from those of the round before."""
        if self.previous is None:
            return None
        before, now = (
            _text_of(each) or _arguments_of(each) for each in (self.previous, self.asked)
        )
        return compare(before, now) if before and now and before != now else None

    @property
    def choices(self) -> Sequence[str]:
        """Answers to choose from, for a question."""
        schema = self.asked["schema"] or {}
        choices = schema.get("enum", ())
        is_question = self.asked["kind"] == InputKind.QUESTION
        return choices if is_question and all(isinstance(each, str) for each in choices) else ()

    @property
    def words(self) -> str:
        """What can be written next to the buttons; empty for nothing."""
        words = _WORDS.get(self.asked["kind"], _OTHER_WORDS)
        chosen = {Decision.RESPOND} if self.choices else set()
        decisions = {*self.asked["decisions"]} - chosen
        wanted = ", or ".join(text for each, text in words.items() if each in decisions)
        return wanted[:1].upper() + wanted[1:]

    def button(self, decision: str) -> str:
        """Return the text of the button for a decision."""
        return _BUTTONS.get(self.asked["kind"], {}).get(decision, decision.capitalize())

    @property
    def fields(self) -> list[ArgumentField]:
        """The arguments as fields of a form."""
        asked = self.asked
        if asked["kind"] != InputKind.APPROVAL or asked["arguments"] is None:
            return []
        return make_fields(asked["schema"], asked["arguments"], self.entered)

    @property
    def may_be_edited(self) -> bool:
        """Whether the user sees what there is to edit."""
        return bool(self.asked["draft"] or self.asked["arguments"] is not None)

    @property
    def editable(self) -> str:
        """What the form has in place of the draft: the last edited answer, if it was refused."""
        if "edited" in self.entered:
            return self.entered["edited"]
        previous = self.previous or {}
        was_edited = self.asked["problem"] and previous.get("decision") == Decision.EDIT
        answer = (previous.get("answer") or {}) if was_edited else {}
        draft = answer or self.asked["draft"] or {}
        if self.asked["schema"] is None:
            return str(draft.get("text", ""))
        return json.dumps(draft.get("value", {}), indent=2, ensure_ascii=False)

    def problem_of(self, pointer: str) -> str:
        """Return what is wrong with a field; empty if nothing is."""
        found = [each.detail for each in self.problems if _is_below(each.pointer, pointer)]
        return " ".join(found)

    @property
    def other_problems(self) -> list[Problem]:
        """What is wrong, but belongs to no field."""
        fields = [*(f"/arguments{each.pointer}" for each in self.fields), "/text"]
        if not self.fields:
            fields.append("/value")
        return [
            each
            for each in self.problems
            if not any(_is_below(each.pointer, pointer) for pointer in fields)
        ]


def _is_below(pointer: str, other: str) -> bool:
    return pointer == other or pointer.startswith(f"{other}/")


def _text_of(asked: Json) -> str | None:
    """Return the draft; an object as indented JSON."""
    draft = asked["draft"]
    if not draft:
        return None
    return pretty(draft["value"]) if draft.get("value") is not None else str(draft["text"])


def _arguments_of(asked: Json) -> str:
    return "" if asked["arguments"] is None else pretty(asked["arguments"])
