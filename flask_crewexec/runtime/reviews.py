"""Reviews of answers: what a step asks people, and what they have decided."""

from __future__ import annotations

import typing as t
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..graphs import Review
from ..models import InputRequestMixin
from ..statuses import Decision
from ..statuses import InputKind
from ..statuses import InputStatus
from ..storage import input_requests
from ..storage.new_event import NewEvent
from .assignment import Assigner
from .stop_reasons import InputExpiredStop
from .stop_reasons import RejectedStop
from .stop_reasons import WaitForPersonStop

Json = dict[str, t.Any]


class ReviewedStep(t.NamedTuple):
    """The step whose answer is reviewed."""

    execution_id: uuid.UUID
    owner_id: str
    position: int
    name: str
    schema: Json | None
    """JSON Schema of its answer."""


class Decided(t.NamedTuple):
    """What a person has decided."""

    decision: str
    draft: Json
    """What they have seen."""
    answer: Json
    """What they have written: ``{"text"}``, ``{"value"}`` or nothing."""


class StepReview:
    """Asks people about the drafts of one step, and finds what they have decided.

    A step that continues finds the decisions in the order in which it has asked. One that is
    restarted, because it cannot continue, goes on from the last decision: nobody is asked twice
    about what they have seen, and an approved draft counts even if the new one reads otherwise.

    :param settled: the last decision, if it settles the answer; see :func:`settled_steps`.
    :param generation: returns how often the step was restarted.
    :param write: runs a function with the session of a write under the lease, and adds an event.
    """

    def __init__(
        self,
        app_state: AppState,
        review: Review,
        step: ReviewedStep,
        settled: InputRequestMixin | None,
        generation: Callable[[], int],
        write: Callable[[Callable[[Session], None], NewEvent], None],
        assigner: Assigner,
    ) -> None:
        self._app_state = app_state
        self._review = review
        self._step = step
        self._settled = settled
        self._generation = generation
        self._write = write
        self._assigner = assigner
        self._last: InputRequestMixin | None = None

    @property
    def settled_answer(self) -> str | None:
        """The text of the draft whose decision settles the answer, if there is one."""
        return None if self._settled is None else str((self._settled.draft or {})["text"])

    def decide(self, draft: Json, problem: str | None = None) -> Decided:
        """Return what was decided about a *draft*.

        :param problem: why the previous answer, which a person has edited, was refused.
        :raises WaitForPersonStop: if nothing was decided yet; somebody is asked.
        :raises RejectedStop: if it was rejected.
        :raises InputExpiredStop: if nobody has answered in time.
        :raises AssignmentFailedStop: if nobody knows who is asked.
        """
        if problem is not None and self._last and self._last.status == InputStatus.EXPIRED:
            raise InputExpiredStop(
                f"Nobody has reviewed the answer of '{self._step.name}' in time, and the default"
                f" cannot be used: {problem}"
            )
        if settled := self._settled:
            self._settled, self._last = None, settled
            return _decided(settled)
        asked = self._read()
        request = self._next(asked)
        if request is None:
            self._ask(draft, problem, asked)
        if request is None or request.status == InputStatus.OPEN:
            raise WaitForPersonStop("The answer of a step waits for a person.")
        if request.decision is None:
            raise InputExpiredStop(
                f"Nobody has reviewed the answer of '{self._step.name}' in time."
            )
        if request.decision == Decision.REJECT:
            raise RejectedStop(_reason(self._step.name, request))
        self._last = request
        return _decided(request)

    def _read(self) -> Sequence[InputRequestMixin]:
        models, step = self._app_state.models, self._step
        with self._app_state.database.read_session() as session:
            return input_requests.requests_of_step(
                session, models, step.execution_id, step.position, InputKind.REVIEW
            )

    def _next(self, asked: Sequence[InputRequestMixin]) -> InputRequestMixin | None:
        """Return the request that is about the current draft, if there is one."""
        last = self._last
        # The first draft of a restarted step meets the last decision each time that it continues.
        answerable = [each for each in asked if not _is_withdrawn(each)]
        earlier = [] if last else [each for each in answerable if not self._is_mine(each)]
        if earlier and _still_counts(earlier[-1]):
            return earlier[-1]
        mine = (each for each in answerable if self._is_mine(each))
        past = last.round if last and self._is_mine(last) else 0
        return next((each for each in mine if each.round > past), None)

    def _is_mine(self, request: InputRequestMixin) -> bool:
        return request.generation == self._generation()

    def _next_round(self, asked: Sequence[InputRequestMixin]) -> int:
        rounds = [each.round for each in asked if self._is_mine(each)]
        return 1 + max([*rounds, self._last.round if self._last else 0])

    def _without_withdrawn(self, round: int, asked: Sequence[InputRequestMixin]) -> int:
        """Return which round it is if those are left out that nobody could answer any more."""
        answerable = (each.round for each in asked if not _is_withdrawn(each))
        return 1 + len({each for each in answerable if each < round})

    def _ask(self, draft: Json, problem: str | None, asked: Sequence[InputRequestMixin]) -> None:
        review = self._review if problem is None else self._review.of_refused
        step, round = self._step, self._next_round(asked)
        id, models = input_requests.new_id(), self._app_state.models
        new = input_requests.NewRequest(
            owner_id=step.owner_id,
            kind=InputKind.REVIEW,
            step=step.position,
            step_name=step.name,
            generation=self._generation(),
            round=round,
            message=review.message,
            problem=problem,
            draft=draft,
            schema=step.schema,
            decisions=review.decisions_in(self._without_withdrawn(round, asked)),
            on_expiry=review.on_expiry,
            default=None if review.default is None else dict(review.default),
            four_eyes=review.four_eyes,
            edited_by=self._editor(),
        )
        assignees = self._assigner.assign(new, review.users, review.roles)

        def insert(session: Session) -> None:
            input_requests.insert(
                session,
                models,
                step.execution_id,
                new,
                id=id,
                expires_in=review.expires_in,
                assignees=assignees,
            )

        event = NewEvent(
            "input_requested",
            {"request": str(id), "kind": InputKind.REVIEW, "step": step.name, "round": round},
        )
        self._write(insert, event)

    def _editor(self) -> str | None:
        """Return who has written the draft, if a person has."""
        last = self._last
        return last.answered_by if last and last.decision == Decision.EDIT else None


def settled_steps(asked: Iterable[InputRequestMixin]) -> dict[int, InputRequestMixin]:
    """Return the decisions that settle the answers of steps, by position.

    :param asked: what the steps have asked, in the order of each.
    """
    last = {each.step: each for each in asked if each.kind == InputKind.REVIEW}
    return {step: request for step, request in last.items() if _settles(request)}


def _settles(last: InputRequestMixin) -> bool:
    """Return whether the *last* review of a step says what its answer is.

    A person who writes instead of what a guardrail has refused may write the same again. Only the
    calls of the step tell that from the answer that was judged before, so its agent repeats them.
    """
    if last.decision == Decision.EDIT:
        return last.problem is None
    return last.decision == Decision.APPROVE


def _decided(request: InputRequestMixin) -> Decided:
    return Decided(str(request.decision), request.draft or {}, request.answer or {})


def _is_withdrawn(request: InputRequestMixin) -> bool:
    return request.status == InputStatus.WITHDRAWN


def _still_counts(request: InputRequestMixin) -> bool:
    """Return whether a request of an earlier generation is also about the new draft."""
    if request.status == InputStatus.OPEN:
        return True
    return request.decision not in (None, Decision.REJECT)


def _reason(step: str, request: InputRequestMixin) -> str:
    if request.status == InputStatus.EXPIRED:
        return f"Nobody has reviewed the answer of '{step}' in time, so it counts as rejected."
    words = (request.answer or {}).get("text")
    return f"A person has rejected the answer of '{step}'{f': {words}' if words else '.'}"
