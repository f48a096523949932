"""Checks before a run goes on that its tools are still those about which people have decided."""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from ..app_state import AppState
from ..models import InputRequestMixin
from ..registry.specs import ToolSpec
from ..storage import call_requests
from ..storage.fencing import Lease
from .approvals import OUTDATED
from .recorder import RunRecorder
from .stop_reasons import ApprovalOutdatedStop
from .tool_requests import Gate


class ApprovalChecks:
    """Finds calls that people have decided about, and that could only be made otherwise now."""

    def __init__(self, app_state: AppState, lease: Lease, recorder: RunRecorder) -> None:
        self._app_state = app_state
        self._lease = lease
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
        if self._lease.attempt == 1:
            return ()
        models, id = self._app_state.models, self._lease.execution_id
        with self._app_state.database.read_session() as session:
            return call_requests.decided_calls(session, models, id)

    def _check(self, is_unchanged: Callable[[InputRequestMixin], bool]) -> None:
        for request in self._decided:
            if not is_unchanged(request):
                restarted = {"generation": request.generation + 1}  # a retry asks again
                self._recorder.change_step(request.step, restarted, {})
                raise ApprovalOutdatedStop(OUTDATED.format(request.tool))
