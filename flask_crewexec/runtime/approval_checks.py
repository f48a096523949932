"""Checks before a run goes on that its tools are still those about which people have decided."""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from sqlalchemy.orm import Session

from ..app_state import AppState
from ..models import InputRequestMixin
from ..registry.specs import ToolSpec
from ..statuses import InputKind
from ..storage import call_requests
from .approvals import OUTDATED
from .recorder import RunRecorder
from .resume_state import ResumeState
from .stop_reasons import ApprovalOutdatedStop
from .tool_requests import Gate


class ApprovalChecks:
    """Finds calls that people have decided about, and that could only be made otherwise now."""

    def __init__(self, app_state: AppState, resume: ResumeState, recorder: RunRecorder) -> None:
        self._app_state = app_state
        self._resume = resume
        self._recorder = recorder

    def check_registered(self, tools: Mapping[str, ToolSpec]) -> None:
        """Check that the tools are registered.

        :raises ApprovalOutdatedStop: if one is not.
        """
        self._check(lambda request: request.tool in tools)

    def check_unchanged(self, gates: Mapping[str, Gate]) -> None:
        """Check that the tools still need approval, with the same arguments.

        :raises ApprovalOutdatedStop: if one does not.
        """

        def is_unchanged(request: InputRequestMixin) -> bool:
            gate = gates.get(request.tool or "")
            return gate is not None and gate.schema == request.schema

        self._check(is_unchanged)

    @functools.cached_property
    def _decided(self) -> Sequence[InputRequestMixin]:
        decided = [each for each in self._resume.asked if self._is_decided(each)]
        if not decided:
            return ()
        with self._app_state.database.read_session() as session:
            return [each for each in decided if not self._was_made(session, each)]

    def _was_made(self, session: Session, request: InputRequestMixin) -> bool:
        before = request.generation + 1
        return call_requests.was_made(session, self._app_state.models, request, before)

    def _is_decided(self, request: InputRequestMixin) -> bool:
        """Return whether a request is about a call that may still be made, and was answered."""
        is_about_call = request.kind == InputKind.APPROVAL and request.decision is not None
        return is_about_call and request.generation == self._resume.generation_of(request.step)

    def _check(self, is_unchanged: Callable[[InputRequestMixin], bool]) -> None:
        outdated = [each for each in self._decided if not is_unchanged(each)]
        for request in outdated:
            restarted = {"generation": request.generation + 1}  # a retry asks again
            self._recorder.change_step(request.step, restarted, {})
        if outdated:
            raise ApprovalOutdatedStop(OUTDATED.format(outdated[0].tool))
