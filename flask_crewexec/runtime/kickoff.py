"""Let a crew work until it ends, or until none of its branches can go on."""

from __future__ import annotations

import typing as t

from ..process.termination import ends_process
from .crewai_shims.public_api import crewai
from .crewai_shims.tasks import Step
from .stop_reasons import WaitForPersonStop


def kickoff(crew: crewai.Crew) -> crewai.CrewOutput:
    """Run a crew and return its output.

    :raises WaitForPersonStop: only if no branch has failed.
    """
    try:
        # Without inputs, since CrewAI would look for placeholders in their values, too.
        return t.cast(crewai.CrewOutput, crew.kickoff())
    except BaseException as error:
        if not ends_process(error):
            failed = _join_branches(crew)
            if isinstance(error, WaitForPersonStop) and failed is not None:
                raise failed from None
        raise


def _join_branches(crew: crewai.Crew) -> BaseException | None:
    """Let steps that run in parallel end, since they are paid for; return the first failure."""
    errors = [task.join() for task in crew.tasks if isinstance(task, Step)]
    failures = (each for each in errors if not isinstance(each, WaitForPersonStop | None))
    return next(failures, None)
